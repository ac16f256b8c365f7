/** Shapes that the scripts share: values on the page, and payloads of the app's own pages (explorer/app). Replies of the
 *  steering host are in protocol.d.ts, which is generated. */

// --- The page -----------------------------------------------------------------------------------

/** What an `on...` attribute's listener receives; a listener knows its own kind of event. */
type DomEvent = Omit<PointerEvent & KeyboardEvent, "target"> & { target: HTMLInputElement };

interface Attributes {
  style?: Record<string, string | number>;
  [listener: `on${string}`]: ((event: DomEvent) => unknown) | undefined;
  [name: string]: unknown;
}

type Child = Node | string | number | null | undefined;
type Children = Child | Child[];

type Rgb = [number, number, number];
type Vector = [number, number, number];
type ScreenPoint = [number, number];
type Area = { width: number; height: number };
type Point = { x: number; y: number };
type Rect = Point & Area;
type Box = { left: number; top: number; right: number; bottom: number };
type Bounds = Box;

/** A colour as rgb(), and its opacity. */
type Paint = { css: string; alpha: number };

/** Something that is placed on one of several spots. */
type Label = { width: number; height: number; spots: (width: number, height: number) => Box[] };

/** Name and share of an axis. */
type Tick = [string, number];

interface DashClientside {
  no_update: unknown;
  set_props: (id: string, properties: Record<string, unknown>) => void;
  mx?: object;
}

interface Window {
  dash_clientside: DashClientside;
  DashRenderer: new () => object;
  Plotly?: Plotly;
  _dashPlotlyJSURL?: string;
}

// --- Notes and collections ----------------------------------------------------------------------

type PageNote = { path: string; text: string };
type CollectionStep = { title: string; text: string; link: string };
type Collection = { title: string; steps: CollectionStep[] };
type StoredCollection = Collection & { key: string };

// --- Clouds -------------------------------------------------------------------------------------

type Xyz = { x: number; y: number; z: number };
type Camera = { eye: Xyz; center: Xyz; up: Xyz };
/** To pixels across and down, and depth; null behind the camera. */
type Project = (x: number, y: number, z: number) => Vector | null;
type ColorScale = [number, string][];
type Numbers = ArrayLike<number | null>;

interface Marker {
  color: string | string[];
  size: number | number[];
  symbol?: string | string[];
  opacity: number;
  line: { width: number; color?: string };
  colorscale?: ColorScale;
  cmin?: number;
  cmax?: number;
}

interface Trace {
  mode: "markers" | "lines";
  x: Numbers;
  y: Numbers;
  z: Numbers;
  customdata?: ArrayLike<number>;
  marker: Marker;
  line: { color: string; width: number; dash: string };
}

type Axis = { range: [number, number] };
interface SceneLayout {
  xaxis: Axis;
  yaxis: Axis;
  zaxis: Axis;
  aspectratio: Xyz;
  camera: Camera;
}

type Figure = { data: Trace[]; layout: { scene: SceneLayout } };

type Mark = {
  at: Vector;
  color: string;
  opacity: number;
  radius: number;
  open: boolean;
  line: Marker["line"];
};
type Segment = {
  at: Vector;
  from: Vector;
  to: Vector;
  color: string;
  width: number;
  dash: string;
  opacity: 1;
};

type HoverPoint = { curveNumber: number; pointNumber: number; bbox: object; planes?: boolean };
type Hover = { points: HoverPoint[] };

/** An element in which plotly has drawn; before that it has none of these. */
interface PlotElement extends HTMLElement {
  on?: (event: string, listener: (data: { points: HoverPoint[] }) => void) => void;
  _fullLayout?: { scene?: { _scene?: PrivateScene } };
}

/** What plotly keeps to itself; figures/plotly_scene.js is the only one that uses it. */
interface PrivateScene {
  glplot: { onrender?: (() => void) | null } | null;
  getCamera: () => Camera;
}

interface Plotly {
  react: (plot: HTMLElement, figure: object) => Promise<unknown>;
  restyle: (plot: HTMLElement, update: object, traces: number[]) => void;
  relayout: (plot: HTMLElement, update: object) => void;
  purge: (plot: HTMLElement) => void;
  toImage: (plot: HTMLElement, options: object) => Promise<string>;
  Plots: { resize: (plot: HTMLElement) => Promise<unknown> };
}

interface SpaceListeners {
  scene?: (plot: PlotElement) => void;
  turned?: (camera: Camera) => void;
  rested?: (camera: Camera) => void;
}

/** A cloud in space: a box, its figure, and the sketch or scene that shows it. */
interface Space {
  box: HTMLElement;
  figure: Figure;
  listeners: SpaceListeners;
  plot: PlotElement;
  canvas: HTMLCanvasElement;
  /** Called with each frame that is drawn. */
  frameListeners: Set<() => void>;
  /** Width and height in which it was drawn last. */
  size: string;
  /** Whether plotly has the figure. */
  live: boolean;
  /** Whether the page around it has been painted. */
  painted: boolean;
  /** The scene's camera in the last frame; null before the first one. */
  camera: string | null;
  resting: number | undefined;
  watcher: ResizeObserver;
  restyle: (update: Record<string, unknown>, traces: number[]) => void;
  project: () => Project;
}

type CloudLabel = { text: string; color: string; point: Vector; kind?: string };
type DrawnLabel = CloudLabel & Area & { node: HTMLElement };

interface CloudShape {
  /** Knots of the fitted curve; none where the shape has no curve. */
  curve: Vector[];
  closed: boolean;
  labels: CloudLabel[];
  /** Middle of the curve. */
  middle: Vector;
  /** Names of the three axes. */
  axes?: string[];
}

type CloudColors = { numbers: Numbers; scale: ColorScale; low: number; high: number };

interface CloudPoints {
  xyz: [ArrayLike<number>, ArrayLike<number>, ArrayLike<number>];
  coordinate: ArrayLike<number>;
  color: (sample: number) => string;
}

// --- A manifold's page --------------------------------------------------------------------------

type PointedPlace = { coordinate: number; sample?: number };

interface PickDrawer {
  picked?: (samples: number[], counts: Record<string, number>) => void;
  pointed?: (place: PointedPlace | null) => void;
  recolored?: () => void;
}

/** The cloud on two of its axes, a and b. */
interface Plane {
  a: number;
  b: number;
  node: HTMLElement;
  svg: SVGSVGElement;
  labels: HTMLElement;
  pointed: SVGElement;
  lasso: SVGElement;
  project: (x: number, y: number) => ScreenPoint;
  /** Pixels of each sample. */
  at: ScreenPoint[];
  dots: SVGElement[];
}

interface Strip {
  feature: number;
  role: string;
  color: string;
  varies: boolean;
  path: string;
  peak: string;
  strongest: number;
}

interface StripsData {
  strips: Strip[];
  ticks: Tick[];
  closed: boolean;
  ramp: string[];
  /** Names of features that have a label. */
  names?: Record<string, string>;
}

interface ClusterPage {
  figure: Figure;
  shape: CloudShape;
  strips: StripsData | null;
  api: string;
  run: string;
  fingerprint: string;
  label: string;
  data: string;
}

type SampleContext = { before: string; token: string; after: string; where: string };

interface StillManifold {
  figure: Figure;
  shape: CloudShape;
  strips: StripsData | null;
  colors: Record<string, CloudColors>;
}

// --- The atlas ----------------------------------------------------------------------------------

type MapColoring = "cluster" | "shape" | "regime" | "stability" | "rate";
type NoiseLook = "shown" | "faded" | "hidden";

interface HexPalette {
  cyclic: string[];
  sequential: string[];
  categories: string[];
  grey: string;
  shapes: string[];
  regimes: string[];
}

type RgbPalette = { cyclic: Rgb[]; sequential: Rgb[]; categories: Rgb[]; grey: Rgb };

interface MapPage {
  /** Address of the run's data. */
  data: string;
  digest: string;
  /** Address of a cluster's page, without its number. */
  base: string;
  palette: HexPalette;
  paint: MapColoring;
  noise: NoiseLook;
  place: number[] | null;
  noiseWords: Record<NoiseLook, string>;
}

/** One entry a cluster. */
interface ClusterColumns {
  label: string[];
  shape: number[];
  regime: number[];
  stability: (number | null)[];
  features: number[];
  tokens: number[];
  values: number[];
  rank: number[];
}

/** Items by group, as one array: those of group g are items[first[g]] up to items[first[g + 1]]. */
type Grouped = { first: Uint32Array; items: Uint32Array<ArrayBuffer> };

interface StoredPoints {
  count: number;
  /** Fewest and most tokens on which a drawn feature fires. */
  ends: Float32Array;
  place: Uint16Array<ArrayBuffer>;
  state: Uint32Array<ArrayBuffer>;
  groups: Grouped;
  cells: Grouped;
}

interface MapPoints extends StoredPoints {
  bounds: Bounds;
  /** Median place of each cluster's features; null without any. */
  middle: (ScreenPoint | null)[];
}

interface RunData {
  key: string;
  clusters: Promise<ClusterColumns>;
  points: Promise<MapPoints>;
}

/** What the scatter paints; `stands` tells clusters that are not dimmed, null dims none. */
interface MapLook {
  clusters: Rgb[];
  ramp: Rgb[];
  byRate: boolean;
  grey: Rgb;
  noise: NoiseLook;
  stands: ((cluster: number) => boolean) | null;
}

interface Scatter {
  paint: (look: MapLook) => void;
  draw: (seen: { u: number; v: number; scale: number; size: number }) => void;
  release: () => void;
}

/** What is seen: the place in the middle, the zoom, pixels to a unit, and whether it is all of the map. */
type MapView = { u: number; v: number; zoom: number; scale: number; whole: boolean };

interface OpenMap {
  page: MapPage;
  box: HTMLElement;
  drawing: Scatter;
  columns: ClusterColumns;
  points: MapPoints;
  by: MapColoring;
  noise: NoiseLook;
  /** Selected clusters; null where nothing is selected. */
  chosen: Set<number> | null;
  /** The cluster that the reader points at in the tiles. */
  pointed: number | null;
  view: MapView;
  /** Clusters that have points, the most manifold-like first. */
  named: number[];
  labels: Map<number, HTMLElement>;
  watcher: ResizeObserver;
  resting: number | undefined;
  frame: number;
}

interface MapHandle {
  isOpen: () => boolean;
  size: () => Area;
  pan: (dx: number, dy: number) => void;
  zoom: (factor: number, x: number, y: number) => void;
  showAll: () => void;
  featureAt: (x: number, y: number) => number | null;
  visit: (feature: number | null) => void;
  tip: (feature: number | null) => void;
  hasTip: (feature: number) => boolean;
  select: (outline: ScreenPoint[]) => void;
  clearSelection: () => void;
}

interface FeatureTip {
  title: string;
  where: string;
  labels: { label: string; source: string }[];
  tokens: string;
  fires: string;
}

/** Clusters in their order, and on how many tokens of a tried text each fires. */
type Tiles = { order: number[]; fires: Record<string, number> };

interface Wall extends Tiles {
  box: HTMLElement;
  page: MapPage;
  columns: ClusterColumns;
  look: "tiles" | "table";
  /** Number of the cell that the arrow keys start from. */
  active: number;
  cells: Map<number, HTMLElement>;
  watcher: ResizeObserver;
  resting: number | undefined;
}

type WallGrid = { across: number; width: number; height: number; step: number; top: number };

// --- Tried texts --------------------------------------------------------------------------------

interface TextFiring {
  cluster: number;
  label: string;
  place: string;
  features: string;
  coordinate: number | null;
  far: boolean;
  color: string;
  hue: string;
}

type TextToken = { text: string; special: boolean; firing: TextFiring[] };

interface TextView {
  run: string;
  text: string;
  summary: string;
  tokens: TextToken[];
  counts: Record<string, number>;
}

interface TextPage {
  run: string;
  /** null on the atlas. */
  cluster: number | null;
  fingerprint: string;
  api: string;
  base: string;
}

type TextMark = { text: string; coordinate: number; color: string; far: boolean; chosen: boolean };

// --- Steering -----------------------------------------------------------------------------------

type HostState = Omit<protocol.HostState, "subject"> & { subject: { kind: string } | null };

type Band = { name: string; color: string; path: string; label_x: number | null; label_y: number };
type WaypointAnswer = { text: string; color: string; probability: number };

interface ArmBands {
  arm: string;
  title: string;
  note: string;
  bands: Band[];
  answers: WaypointAnswer[];
  off_manifold: number[];
  numbers: string[];
}

/** Distances from the curve by position and strength, in usual ones. */
type Meter = { positions: number[]; strengths: number[]; off_manifold: number[][]; safe: number };

interface RealisedView {
  requested: string;
  start: number;
  end: number;
  arms: { state: string; answer: string; words: string }[];
}

/** A steering result as the panel draws it. */
interface BandsView {
  prompt: string;
  start_name: string;
  end_name: string;
  arms: ArmBands[];
  /** Intrinsic coordinate of each waypoint; empty without the curve's arm. */
  coordinate: number[];
  ticks: Tick[];
  moves: boolean | null;
  verdict: string;
  strength: number;
  numbers: [string, string][];
  /** Values on the curve: name, colour, coordinate. */
  values: [string, string, number][];
  closed: boolean;
  meter: Meter | null;
  realised: RealisedView | null;
}

type PathListener = (position: number, path: BandsView | null) => void;
type PathRequest = protocol.BehaviourRequest;
type SteerAnswer = { request: PathRequest; reply: protocol.BehaviourReply; view: BandsView };

type PlacedToken = protocol.WrittenToken & { index: number };

type CheckName = "check" | "sweep" | "phrases";
type SpreadView = { title: string; words: string; rows: string[][] };
type ControlsView = {
  stands_out: boolean | null;
  words: string;
  arms: ArmBands[];
  numbers: [string, string][];
  tables: SpreadView[];
};
type SweepCell = { p: number; word: string; off: number; beyond: boolean };
type SweepGrid = { title: string; words: string; rows: SweepCell[][] };
type SweepView = {
  words: string;
  strengths: number[];
  positions: number[];
  most: number;
  color: string;
  grids: SweepGrid[];
};
type PhraseLine = { arm: string; title: string; path: string; logprob: number[] };
type PhraseView = {
  text: string;
  read: string;
  baseline: number;
  lines: PhraseLine[];
  words: string;
};
type CheckViews = {
  check?: ControlsView | null;
  sweep?: SweepView | null;
  phrases?: PhraseView[] | null;
};
type CheckAnswer = {
  request: Partial<PathRequest>;
  reply: unknown;
  view: ControlsView | SweepView | PhraseView[];
};

type FinishedText = Pick<protocol.RowDoneEvent, "row" | "text" | "finish" | "hook_fired">;
type StreamEvent =
  | protocol.StartEvent
  | protocol.TokenEvent
  | protocol.RowDoneEvent
  | protocol.DoneEvent
  | protocol.ErrorEvent;

interface StreamResult {
  steer_request: object;
  start: protocol.StartEvent | null;
  texts: protocol.RowDoneEvent[];
  done: protocol.DoneEvent | null;
}

interface SharedPage {
  cloud: { figure: Figure; shape: CloudShape };
  view: BandsView;
  position: number;
  prompt: protocol.PromptToken[];
  checks: CheckViews;
  texts: FinishedText[];
  done: protocol.DoneEvent | null;
  requested: number | null;
}

// --- Comparison and tours -----------------------------------------------------------------------

interface CompareSide {
  /** Ids of the elements of its cloud and its strips. */
  cloud: string;
  strips_place: string;
  figure: Figure;
  shape: CloudShape;
  strips: StripsData;
}

type PageFigure = { src: string; title: string };
type FiringFigure = {
  features: number[];
  rows: { text: string; value: string; color: string; levels: number[] }[];
};
type NumbersFigure = { numbers: { name: string; value: string; meaning: string }[] };
type TilesFigure = { tiles: { src: string; name: string; words: string }[] };

type SlideContent =
  | { show: "words" | "cloud"; figure: object }
  | { show: "page"; figure: PageFigure }
  | { show: "firing"; figure: FiringFigure }
  | { show: "numbers"; figure: NumbersFigure }
  | { show: "tiles"; figure: TilesFigure }
  | { show: "problem"; figure: { problem: string } }
  | { show: "strips"; figure: StripsData }
  | { show: "bands"; figure: { view: BandsView } }
  | { show: "texts"; figure: { view: BandsView; texts: FinishedText[] } };

type Slide = SlideContent & {
  title: string;
  text: string[];
  /** Key of the cloud next to it. */
  cloud?: string;
  position?: number;
  /** Text and address. */
  button?: [string, string] | null;
};

interface Tour {
  title: string;
  home: string | null;
  slides: Slide[];
  clouds: Record<string, { figure: Figure; shape: CloudShape; words: string }>;
}
