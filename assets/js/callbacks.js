/** The bridge from Dash: its clientside callbacks by name. Each decodes its inputs, hands over, and returns outputs. */

import { colorMap, openMap, selectClusters, showNoise } from "./atlas/map.js";
import { showWall } from "./atlas/wall.js";
import { chooseComparison, renderComparison } from "./compare/compare.js";
import { releaseScenes } from "./figures/space.js";
import { colorCloud, showCloud, showPath } from "./manifold/cloud.js";
import { markFeature, renderFeatures } from "./manifold/features.js";
import { pick, showPicks } from "./manifold/pick.js";
import { showPlanes } from "./manifold/planes.js";
import { markStrip, renderStrips } from "./manifold/strips.js";
import { cloudTooltip } from "./manifold/tooltip.js";
import { shareResult, shareView } from "./share/share.js";
import { refreshHost, showHost } from "./site/host.js";
import { clearBands, renderBands } from "./steering/bands.js";
import { clearChecks, replayChecks, sharedChecks, showCheck } from "./steering/checks.js";
import { showPrompt } from "./steering/prompt.js";
import { renderRealised } from "./steering/realised.js";
import { replayTexts, startStream, stopStream } from "./steering/stream.js";
import { renderTour } from "./tour/presenter.js";
import { clearText, showText } from "./try_text/panel.js";
import { find } from "./ui/dom.js";
import { openNotesOfPage } from "./ui/notes.js";
import { toggleTheme } from "./ui/theme.js";
import { linkValue, setLink } from "./view/link.js";
import { handlePosition } from "./view/path.js";
import { placedTokens } from "./view/tried_text.js";

const MAX_TOKENS = 24;

const unchanged = () => window.dash_clientside.no_update;

/**
 * A link's value; the default is left out.
 *
 * @template Value
 * @param {Value} value
 * @param {Value} byDefault
 */
const unless = (value, byDefault) => (value === byDefault ? null : value);

const frame = {
  /** @param {string} text */
  title(text) {
    if (text) document.title = text;
    openNotesOfPage();
    releaseScenes();
  },

  /** @param {number} clicks */
  theme(clicks) {
    if (clicks) setLink({ theme: toggleTheme() });
  },

  /** @param {number} clicks */
  async shareView(clicks) {
    if (clicks) await shareView();
  },
};

const atlas = {
  /** @param {MapPage | null} page */
  map(page) {
    if (page) openMap(page);
    return "yes";
  },

  /** @param {MapColoring} by */
  mapColor(by) {
    colorMap(by);
    setLink({ by: unless(by, "cluster") });
  },

  /**
   * @param {NoiseLook} noise
   * @param {MapPage} page
   */
  mapNoise(noise, page) {
    showNoise(noise);
    setLink({ noise: unless(noise, "shown") });
    return page.noiseWords[noise];
  },

  /** @param {string} text */
  selection(text) {
    selectClusters(text);
    setLink({ sel: text });
    return !text;
  },

  /** @param {number} clicks */
  clearSelection: (clicks) => (clicks ? "" : unchanged()),

  /**
   * @param {Tiles | null} tiles
   * @param {"tiles" | "table"} look
   * @param {MapPage | null} page
   */
  wall(tiles, look, page) {
    if (!tiles || !page) return unchanged();
    showWall(page, tiles, look);
    setLink({ wall: unless(look, "tiles") });
    return "yes";
  },

  /**
   * @param {string} query
   * @param {string} sort
   * @param {string} shape
   * @param {string} regime
   */
  filters(query, sort, shape, regime) {
    setLink({
      q: query,
      sort: unless(sort, "manifold"),
      shape: unless(shape, "any"),
      regime: unless(regime, "any"),
    });
  },
};

const tryText = {
  /**
   * @param {number} clicks
   * @param {number} submits
   * @param {string} text
   */
  textAsked(clicks, submits, text) {
    if ((clicks || submits) && text) setLink({ text });
  },

  /**
   * @param {TextView | null} answer
   * @param {TextPage | null} page
   */
  text(answer, page) {
    if (page) showText(answer, page);
    return "yes";
  },

  /** @param {number} clicks */
  textClear(clicks) {
    if (clicks) clearText();
  },
};

const manifold = {
  /** @param {ClusterPage | null} page */
  cluster(page) {
    if (!page) return unchanged();
    showCloud(page);
    renderStrips(page.strips);
    showPlanes(page.shape);
    renderFeatures();
    const color = linkValue("color");
    markStrip(color);
    markFeature(color);
    if (page.api) showHost(page.api, page.run, page.fingerprint);
    return "yes";
  },

  /**
   * @param {Hover | null} hover
   * @param {ClusterPage} page
   */
  cloudTip: (hover, page) => cloudTooltip(hover, page, unchanged()),

  /**
   * @param {string} text
   * @param {Record<string, number> | null} counts
   */
  picked(text, counts) {
    showPicks(text, counts);
    return !text;
  },

  /** @param {number} clicks */
  pickNone(clicks) {
    if (clicks) pick([]);
  },

  /**
   * @param {CloudColors | null} data
   * @param {string} by
   */
  colors(data, by) {
    colorCloud(data);
    markStrip(by);
    markFeature(by);
    setLink({ color: unless(by, "coordinate") });
  },
};

const compare = {
  /** @param {{ sides: CompareSide[] } | null} data */
  compare(data) {
    if (data) renderComparison(data);
    return "yes";
  },

  /**
   * @param {string} leftRun
   * @param {string} left
   * @param {string} rightRun
   * @param {string} right
   * @param {{ a: string, b: string } | null} now
   */
  compareWith(leftRun, left, rightRun, right, now) {
    const sides = /** @type {[string, string][]} */ ([
      [leftRun, left],
      [rightRun, right],
    ]);
    if (now) chooseComparison(sides, now);
  },
};

const steering = {
  /**
   * @param {string} prompt
   * @param {string} from
   * @param {string} to
   * @param {number | string} strength
   * @param {string} ask
   * @param {string} where
   */
  steerFields(prompt, from, to, strength, ask, where) {
    setLink({
      ask: unless(ask, "text"),
      where: unless(where, "last_prompt"),
      prompt,
      from: unless(from, "~"),
      to,
      strength: Number(strength) === 1 ? null : strength,
    });
  },

  /**
   * @param {string} phrases
   * @param {string} readout
   * @param {{ phrases: string, readout: string }} own
   */
  checkFields(phrases, readout, own) {
    setLink({ phrases: unless(phrases, own.phrases), values: unless(readout, own.readout) });
  },

  /**
   * @param {number} clicks
   * @param {{ readout: string }} own
   */
  ownReadout: (clicks, own) => (clicks ? own.readout : unchanged()),

  /**
   * @param {SteerAnswer | null} answer
   * @param {number | null} position
   */
  bands(answer, position) {
    stopStream();
    clearChecks();
    if (!answer) {
      clearBands();
      refreshHost();
      return [true, true, ""];
    }
    renderBands(answer.view, position);
    renderRealised(answer.view);
    showPrompt(answer.reply.prompt_tokens);
    showPath(answer.view);
    const verdict = find("steer-verdict");
    if (verdict) verdict.className = `verdict ${answer.view.moves === false ? "bad" : ""}`;
    return [false, false, answer.view.verdict];
  },

  /**
   * @param {CheckAnswer | null} answer
   * @param {SteerAnswer | null} steer
   */
  check: (answer, steer) => showCheck("check", answer, steer),

  /**
   * @param {CheckAnswer | null} answer
   * @param {SteerAnswer | null} steer
   */
  sweep: (answer, steer) => showCheck("sweep", answer, steer),

  /**
   * @param {CheckAnswer | null} answer
   * @param {SteerAnswer | null} steer
   */
  phrases: (answer, steer) => showCheck("phrases", answer, steer),

  /**
   * @param {number} clicks
   * @param {SteerAnswer | null} steer
   * @param {ClusterPage | null} page
   */
  generate(clicks, steer, page) {
    if (!clicks || !steer || !page) return;
    const { waypoints, random_repeats, values, ...path } = steer.request;
    startStream(page.api, { ...path, position: handlePosition(), max_tokens: MAX_TOKENS });
  },

  /** @param {number} clicks */
  stop(clicks) {
    if (clicks) stopStream();
  },

  /**
   * @param {number} clicks
   * @param {SteerAnswer | null} steer
   * @param {object | null} stream
   * @param {ClusterPage} page
   * @param {(CheckAnswer | null)[]} checks
   */
  async shareResult(clicks, steer, stream, page, ...checks) {
    if (!clicks || !steer) return;
    await shareResult(page.api, {
      view: window.location.search,
      label: page.label,
      behaviour_request: steer.request,
      behaviour: steer.reply,
      ...(stream ?? {}),
      ...sharedChecks(checks, steer),
    });
  },

  /** @param {SharedPage | null} data */
  replay(data) {
    if (!data) return unchanged();
    placedTokens.set([]);
    showCloud(data.cloud);
    renderBands(data.view, data.position);
    showPrompt(data.prompt);
    showPath(data.view);
    renderRealised(data.view);
    replayChecks(data.checks);
    replayTexts(data.view.prompt, data.texts, data.done, data.requested);
    return "yes";
  },
};

const tour = {
  /** @param {Tour | null} data */
  tour(data) {
    if (data) renderTour(data);
    return "yes";
  },
};

/** Make the callbacks known to Dash; its renderer looks them up by name. */
export function registerCallbacks() {
  window.dash_clientside ??= /** @type {DashClientside} */ ({});
  window.dash_clientside.mx = {
    ...frame,
    ...atlas,
    ...tryText,
    ...manifold,
    ...compare,
    ...steering,
    ...tour,
  };
}
