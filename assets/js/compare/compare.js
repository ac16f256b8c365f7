/** Two clouds with one camera: turning one turns the other. Strips and labels of each side. */

import { labelsOver } from "../figures/labels.js";
import { setCamera, showSpace } from "../figures/space.js";
import { byId, closest, html, svg } from "../ui/dom.js";
import { axis } from "../ui/ticks.js";
import { cameraText, setLink } from "../view/link.js";
import { visit } from "../view/navigate.js";

/**
 * Link the cameras: the cloud that the reader turns leads, the other follows at most once a frame.
 *
 * @param {Space[]} spaces
 */
function linkCameras(spaces) {
  /** @type {Space | null} */
  let leader = null;
  /** @type {Camera | null} */
  let camera = null;
  const follow = () => {
    const taken = camera;
    camera = null;
    const other = spaces.find((space) => space !== leader);
    if (other && taken) setCamera(other, taken);
  };
  for (const space of spaces) {
    for (const kind of ["pointerdown", "wheel"]) {
      const lead = () => {
        leader = space;
      };
      space.box.addEventListener(kind, lead, { capture: true, passive: true });
    }
    space.listeners = {
      turned(next) {
        if (space !== leader) return;
        if (camera === null) requestAnimationFrame(follow);
        camera = next;
      },
      rested(now) {
        if (space === leader) setLink({ cam: cameraText(now) });
      },
    };
  }
}

/**
 * @param {Strip} strip
 * @param {string | undefined} name of the feature
 */
function stripRow({ path, varies, color, role, feature }, name) {
  const area = svg("path", { d: path, style: { fill: varies ? color : "var(--hub)" } });
  const frame = { viewBox: "0 0 1000 100", preserveAspectRatio: "none" };
  return html("div", { class: "strip", title: name ? `Feature ${name}` : null }, [
    html("span", { class: "strip-name" }, `${role} ${feature}`),
    svg("svg", frame, area),
  ]);
}

/**
 * @param {HTMLElement} box
 * @param {StripsData} data
 */
function renderStrips(box, data) {
  const background = `linear-gradient(90deg, ${data.ramp.join(",")})`;
  const ramp = html("div", { class: "strip-ramp", style: { background } });
  const attributes = {
    class: "strip-rows",
    tabindex: "0",
    role: "group",
    "aria-label": "Where each feature fires",
  };
  const rows = data.strips.map((strip) => stripRow(strip, data.names?.[strip.feature]));
  const ticks = axis(data.ticks, { class: "strip-axis" }, [ramp]);
  box.replaceChildren(html("div", attributes, [...rows, ticks]));
}

/** @param {{ sides: CompareSide[] }} data */
export function renderComparison({ sides }) {
  const clouds = byId("compare-clouds");
  let waiting = sides.length;
  const scene = () => {
    waiting -= 1;
    if (waiting) return;
    linkCameras(spaces);
    clouds.dataset.linked = "yes";
  };
  const spaces = sides.map(({ cloud, figure, shape, strips, strips_place }) => {
    const box = byId(cloud);
    const half = closest(box, ".compare-side");
    renderStrips(byId(strips_place), strips);
    const space = showSpace(box, figure, { scene });
    labelsOver(() => half?.querySelector(".cloud-names") ?? null).show(
      space,
      shape.labels,
      shape.middle,
    );
    return space;
  });
}

/**
 * Open another comparison. A side whose run changes takes its most similar cluster; all clusters of one side are compared
 * with all of the other.
 *
 * @param {[string, string][]} sides run and cluster of both sides, the cluster may be "all"
 * @param {{ a: string, b: string }} now "run" or "run/cluster" of both sides
 */
export function chooseComparison(sides, now) {
  const before = [now.a, now.b].map((side) => side.split("/"));
  const whole = sides.some(([, cluster], at) => cluster === "all" && before[at].length > 1);
  const [a, b] = sides.map(([run, cluster], at) =>
    whole || cluster === "all" || run !== before[at][0] ? run : `${run}/${cluster}`,
  );
  if (a === now.a && b === now.b) return;
  const query = new URLSearchParams({ v: "1", a, b }).toString().replaceAll("%2F", "/");
  visit(`${window.location.pathname}?${query}`);
}
