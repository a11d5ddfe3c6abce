// After a control step: the state is brought back to its reference's turns and cycle, compared with it, and its episode
// goes on or ends. Reward and measures are printed from src/environments/programs.ts.
//
// An environment whose episode is over, and that has not begun another, is left alone.
//
// An environment whose root is further than `far` (m) or turned by more than `turned` (rad) from the reference is lost,
// which counts as a fall.
//
// rewards, ends [rows, environments]: ends as in shaders/advantages.wgsl; an episode that is cut off has its last state
// as number `cuts * environments + e` of the final ones

struct Shape { environments: u32, first: u32, count: u32, row: u32, batch_row: u32, score_share: f32, far: f32, turned: f32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read_write> states: array<f32>;
@group(0) @binding(2) var<storage, read_write> info: array<u32>;
@group(0) @binding(3) var<storage, read> clips: array<Clip>;
@group(0) @binding(4) var<storage, read> table: array<f32>;
@group(0) @binding(5) var<storage, read> report: array<f32>;
@group(0) @binding(6) var<storage, read_write> tally: array<f32>;
@group(0) @binding(7) var<storage, read_write> rewards: array<f32>;
@group(0) @binding(8) var<storage, read_write> ends: array<u32>;

#include environment

#include trigonometry

// a clearance below this in the midst of a step is a touch: what starts on the floor is there to rounding
const TOUCH = -1e-5;
// m/s, rad/s: beyond it a velocity is a numerical accident
const FASTEST = 1e4;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= shape.count) { return; }
  let N = shape.environments;
  let e = shape.first + id.x;
  if (info[OVER * N + e] != 0u) { return; }
  let clip = clips[info[CLIP * N + e]];
  let step = info[STEP * N + e] + 1u;
  let steps = info[STEPS * N + e] + 1u;
  let frame = frame_of(clip, step);
  let to = shape.row * ${NS}u;
  var x: array<f32, ${NX}>;
  for (var k = 0u; k < ${NX}u; k++) { x[k] = states[(to + k) * N + e]; }
  var row: array<f32, ${ROW}>;
  for (var k = 0u; k < ${ROW}u; k++) { row[k] = table[(clip.first_row + frame) * ${ROW}u + k]; }

  // what is no number, before anything else is asked of it
  var bad = 0u;
  for (var k = 0u; k < ${NX}u; k++) {
    // of NaN every comparison is false
    if (!(abs(x[k]) < FASTEST)) { bad = k + 1u; }
  }
  for (var k = 7u; k < ${NQ}u; k++) { x[k] -= 6.28318531 * round((x[k] - row[${QPOS}u + k]) * 0.159154943); }
  if (clip.loops == 1u && frame == 0u) {
    let c = clip.back_cos;
    let s = clip.back_sin;
    let place = vec2f(fma(c, x[0], fma(-s, x[1], clip.back_x)), fma(s, x[0], fma(c, x[1], clip.back_y)));
    let velocity = vec2f(c * x[${NQ}] - s * x[${NQ} + 1], s * x[${NQ}] + c * x[${NQ} + 1]);
    // half the angle, from its cosine and sine
    let half = normalize(select(vec2f(1.0 + c, s), vec2f(0.0, 1.0), c < -0.999999));
    let q = vec4f(x[3], x[4], x[5], x[6]);
    x[0] = place.x; x[1] = place.y;
    x[3] = half.x * q.x - half.y * q.w;
    x[4] = half.x * q.y - half.y * q.z;
    x[5] = half.x * q.z + half.y * q.y;
    x[6] = half.x * q.w + half.y * q.x;
    x[${NQ}] = velocity.x; x[${NQ} + 1] = velocity.y;
  }
  for (var k = 0u; k < ${NX}u; k++) { states[(to + k) * N + e] = x[k]; }

  var measures: array<f32, ${MEASURES}>;
  {
${PROGRAM}
  }
  let score = measures[0];
  let reward = measures[1];
  let touched = report[e] < TOUCH || measures[3] < 0.0;
  let left = abs(measures[4]) > ${FALL_HEIGHT} || measures[5] < ${FALL_UP_COSINE};
  let lost = measures[6] > shape.far || measures[7] > shape.turned;
  if (bad > 0u || !(reward >= 0.0)) {
    info[FAILURES * N + e] += 1u;
    info[FAILED_CLIP * N + e] = info[CLIP * N + e];
    info[FAILED_FRAME * N + e] = frame;
    info[FAILED_ENTRY * N + e] = bad;
  }
  let fell = touched || left || lost || bad > 0u || !(reward >= 0.0);
  let length = info[LENGTH * N + e];
  let finished = !fell && steps >= length;
  // no time limit but the end of the motion: nothing follows
  let last = clip.loops == 0u && info[START * N + e] + length >= clip.frames - 1u;
  let cut = finished && !last;

  let gained = select((1.0 - shape.score_share) * reward + shape.score_share * 0.1 * score, 0.0, fell);
  let at = shape.batch_row * N + e;
  rewards[at] = gained;
  let cuts = select(info[CUTS * N + e], 0u, shape.batch_row == 0u);
  ends[at] = select(select(0u, 1u, fell || finished), 2u + cuts * N + e, cut);
  info[CUTS * N + e] = cuts + select(0u, 1u, cut);
  info[STEP * N + e] = step;
  info[STEPS * N + e] = steps;
  info[OVER * N + e] = select(select(0u, 1u, fell || finished), 2u, cut);

  let counts = select(1.0, 0.0, fell);
  // select would let what is no number through
  var sums = vec3f(tally[SUM_SCORE * N + e], tally[SUM_REWARD * N + e], tally[SUM_ERROR * N + e]);
  if (!fell) { sums += vec3f(score, reward, measures[2]); }
  tally[SUM_SCORE * N + e] = sums.x;
  tally[SUM_REWARD * N + e] = sums.y;
  tally[SUM_ERROR * N + e] = sums.z;
  tally[UNCONVERGED * N + e] += report[2u * N + e];
  if (!fell && !finished) { return; }
  let done = f32(steps) - (1.0 - counts);
  tally[EPISODES * N + e] += 1.0;
  tally[ENDED_SCORE * N + e] += sums.x / f32(length);
  tally[ENDED_REWARD * N + e] += sums.y / f32(length);
  tally[ENDED_ERROR * N + e] += sums.z / max(1.0, done);
  tally[ENDED_RETURN * N + e] += sums.y;
  tally[ENDED_STEPS * N + e] += done;
  tally[ENDED_LENGTH * N + e] += f32(length);
  tally[ENDED_SURVIVED * N + e] += counts;
}
