/* The features of the map as they are sent (explorer/app/figures/atlas_map.py), and which of them lie where. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});
  const NOT_DRAWN = 0xffffff, CLUSTER = 0xffffff, STEPS = 65535, CELLS = 256;

  /* Items in groups: those of group g are items[first[g]] to items[first[g + 1] - 1], in their order. */
  function grouped(count, groups, groupOf) {
    const first = new Uint32Array(groups + 1);
    for (let item = 0; item < count; item += 1) if (groupOf(item) >= 0) first[groupOf(item) + 1] += 1;
    for (let group = 0; group < groups; group += 1) first[group + 1] += first[group];
    const items = new Uint32Array(first[groups]), next = first.slice();
    for (let item = 0; item < count; item += 1) if (groupOf(item) >= 0) items[next[groupOf(item)]++] = item;
    return { first, items };
  }

  /* Read the points of a run with so many clusters. Group 0 is noise, group c + 1 is cluster c. */
  function read(buffer, clusters) {
    const count = (buffer.byteLength - 8) / 8;
    const ends = new Float32Array(buffer, 0, 2), place = new Uint16Array(buffer, 8, 2 * count), state = new Uint32Array(buffer, 8 + 4 * count, count);
    const group = (feature) => { const own = state[feature] & CLUSTER; return own === NOT_DRAWN ? -1 : own; };
    const cell = (feature) => (group(feature) < 0 ? -1 : (place[2 * feature] >> 8) * CELLS + (place[2 * feature + 1] >> 8));
    const points = { count, ends, place, state, groups: grouped(count, clusters + 1, group), cells: grouped(count, CELLS * CELLS, cell) };
    points.bounds = bounds(points);
    points.middle = Array.from({ length: clusters }, (_, cluster) => middle(points, cluster));
    return points;
  }

  const x = (points, feature) => points.place[2 * feature] / STEPS;
  const y = (points, feature) => points.place[2 * feature + 1] / STEPS;
  const clusterOf = (points, feature) => (points.state[feature] & CLUSTER) - 1;
  const members = (points, cluster) => points.groups.items.subarray(points.groups.first[cluster + 1], points.groups.first[cluster + 2]);

  function bounds(points) {
    let [left, bottom, right, top] = [1, 1, 0, 0];
    for (const feature of points.groups.items) {
      const [u, v] = [x(points, feature), y(points, feature)];
      if (u < left) left = u;
      if (u > right) right = u;
      if (v < bottom) bottom = v;
      if (v > top) top = v;
    }
    return { left, bottom, right, top };
  }

  /* Where a cluster's name belongs: the median of its features. */
  function middle(points, cluster) {
    const own = members(points, cluster);
    if (!own.length) return null;
    const median = (of) => Float64Array.from(own, (feature) => of(points, feature)).sort()[own.length >> 1];
    return [median(x), median(y)];
  }

  function* near(points, left, bottom, right, top) {
    const cell = (value) => Math.min(CELLS - 1, Math.max(0, (value * STEPS) >> 8));
    for (let column = cell(left); column <= cell(right); column += 1) {
      for (let row = cell(bottom); row <= cell(top); row += 1) {
        const at = column * CELLS + row;
        for (let item = points.cells.first[at]; item < points.cells.first[at + 1]; item += 1) yield points.cells.items[item];
      }
    }
  }

  /* The feature that lies nearest to a place, within a radius; null where there is none. */
  function nearest(points, u, v, radius, shown) {
    let best = null, least = radius * radius;
    for (const feature of near(points, u - radius, v - radius, u + radius, v + radius)) {
      const away = (x(points, feature) - u) ** 2 + (y(points, feature) - v) ** 2;
      if (away <= least && shown(feature)) [best, least] = [feature, away];
    }
    return best;
  }

  /* Features inside a closed line of places. */
  function inside(points, line) {
    const us = line.map(([u]) => u), vs = line.map(([, v]) => v), found = [];
    for (const feature of near(points, Math.min(...us), Math.min(...vs), Math.max(...us), Math.max(...vs))) {
      if (encloses(line, x(points, feature), y(points, feature))) found.push(feature);
    }
    return found;
  }

  function encloses(line, u, v) {
    let within = false;
    for (let at = 0, before = line.length - 1; at < line.length; before = at, at += 1) {
      const [[u1, v1], [u2, v2]] = [line[at], line[before]];
      if (v1 > v !== v2 > v && u < ((u2 - u1) * (v - v1)) / (v2 - v1) + u1) within = !within;
    }
    return within;
  }

  mx.points = { read, nearest, inside, clusterOf, members, x, y };
})();
