/* What the server refuses or cannot do is said on the page, not only in the console. */
(function () {
  "use strict";
  const mx = (window.mx = window.mx || {});
  const SECONDS = 8;

  function tell(text, link) {
    const toast = document.getElementById("toast");
    if (!toast) return;
    toast.replaceChildren(text, ...(link ? [mx.html("a", { href: link }, link)] : []));
    const said = toast.textContent;
    window.setTimeout(() => { if (toast.textContent === said) toast.replaceChildren(); }, SECONDS * 1000);
  }

  const plain = window.fetch.bind(window);
  window.fetch = async function (address, options) {
    const ours = String(address.url || address).includes("_dash-update-component");
    try {
      const reply = await plain(address, options);
      if (ours && !reply.ok) reply.clone().json().then((problem) => tell(problem.message), () => tell(`The app answered ${reply.status}.`));
      return reply;
    } catch (error) {
      if (ours) tell("The app does not answer. Is it still running?");
      throw error;
    }
  };

  mx.tell = tell;
})();
