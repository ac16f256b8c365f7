/* What the map, the tiles and the table draw of a run: fetched once a run, kept while one walks through its pages. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});
  let kept = { key: null };

  async function ask(address, read) {
    const reply = await fetch(address);
    if (!reply.ok) throw new Error(`${address} answered ${reply.status}`);
    return read(reply);
  }

  /* Ask for a run's clusters and points; page is what the map's store holds. */
  function open(page) {
    const key = `${page.data}?${page.digest}`;
    if (kept.key === key) return kept;
    const clusters = ask(`${page.data}/clusters?${page.digest}`, (reply) => reply.json());
    const points = Promise.all([ask(`${page.data}/points?${page.digest}`, (reply) => reply.arrayBuffer()), clusters])
      .then(([buffer, columns]) => mx.points.read(buffer, columns.label.length));
    kept = { key, clusters, points };
    Promise.all([clusters, points]).catch((problem) => {
      if (kept.key === key) kept = { key: null };
      mx.tell(`The map could not be read: ${problem.message}.`);
    });
    return kept;
  }

  mx.run = { open };
})();
