// The next episode of every environment whose last one is over: a frame drawn evenly or, after a share `retry` of falls,
// the one that the fallen episode began at; noise on the joints, lifted out of the floor where it is in it. An environment
// keeps to its clip, so that each clip has the same share of control steps, however soon its episodes end. An episode that
// was cut off leaves its last observation first. With `all` every environment begins. Episodes are as long as the clip
// says, or with `shortest` (a share of that) above 0 of lengths drawn log-evenly from there on.
//
// finals [cuts and the end of the batch, environments, OBSERVED]; timesteps [environments], s

struct Shape { environments: u32, first: u32, count: u32, row: u32, seed: u32, clip: u32, clips: u32, all: u32, noise: f32, kick: f32, shortest: f32, retry: f32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read_write> states: array<f32>;
@group(0) @binding(2) var<storage, read_write> info: array<u32>;
@group(0) @binding(3) var<storage, read> clips: array<Clip>;
@group(0) @binding(4) var<storage, read> table: array<f32>;
@group(0) @binding(5) var<storage, read_write> timesteps: array<f32>;
@group(0) @binding(6) var<storage, read_write> tally: array<f32>;
@group(0) @binding(7) var<storage, read_write> finals: array<f32>;

#include environment

#include random

#include trigonometry

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= shape.count) { return; }
  let N = shape.environments;
  let e = shape.first + id.x;
  let over = info[OVER * N + e];
  if (over == 0u && shape.all == 0u) { return; }
  let to = shape.row * ${NS}u;
  var x: array<f32, ${NS}>;

  if (over == 2u && shape.all == 0u) {
    let clip = clips[info[CLIP * N + e]];
    let at = (clip.first_row + frame_of(clip, info[STEP * N + e])) * ${ROW}u;
    for (var k = 0u; k < ${NX}u; k++) { x[k] = states[(to + k) * N + e]; }
    var row: array<f32, ${ROW}>;
    for (var k = 0u; k < ${ROW}u; k++) { row[k] = table[at + k]; }
    var errors: array<f32, ${ERRORS}>;
    {
${OBSERVATION}
    }
    let out = ((info[CUTS * N + e] - 1u) * N + e) * ${OBSERVED}u;
    for (var k = 0u; k < ${ERRORS}u; k++) { finals[out + k] = errors[k]; }
    for (var k = ${ERRORS}u; k < ${OBSERVED}u; k++) { finals[out + k] = row[${FEATURES}u + k - ${ERRORS}u]; }
  }

  let turn = info[EPISODE * N + e];
  let draw = pcg4d(vec4u(shape.seed, e, turn, 0xffffffffu));
  let u = uniform4(draw);
  let number = shape.clip + id.x % shape.clips;
  let clip = clips[number];
  let starts = select(clip.frames - 1u, clip.frames, clip.loops == 1u);
  let fell = over == 1u && info[STEPS * N + e] < info[LENGTH * N + e];
  let any = min(starts - 1u, u32(u.x * f32(starts)));
  let start = select(any, info[START * N + e], fell && u.z < shape.retry);
  let row = (clip.first_row + start) * ${ROW}u;
  for (var k = 0u; k < ${NX}u; k++) { x[k] = table[row + ${QPOS}u + k]; }
  for (var k = ${NX}u; k < ${NS}u; k++) { x[k] = 0.0; }
  for (var k = 0u; k < ${NU}u; k++) {
    let bits = pcg4d(draw + vec4u(k, 0u, 1u, 0u));
    x[7u + k] += shape.noise * normal(bits.xy);
    x[${NQ}u + 6u + k] += 10.0 * shape.noise * normal(bits.zw);
  }
  var low: array<f32, 1>;
  {
${LOWEST}
  }
  x[2] -= min(0.0, low[0]);
  for (var k = 0u; k < ${NS}u; k++) { states[(to + k) * N + e] = x[k]; }
  timesteps[e] = clip.timestep;
  info[STEP * N + e] = start;
  info[START * N + e] = start;
  info[STEPS * N + e] = 0u;
  let drawn = select(1.0, pow(shape.shortest, u.w), shape.shortest > 0.0);
  let length = max(1u, u32(round(f32(clip.length) * drawn)));
  info[LENGTH * N + e] = select(min(length, clip.frames - 1u - start), length, clip.loops == 1u);
  info[EPISODE * N + e] = turn + 1u;
  info[CLIP * N + e] = number;
  info[OVER * N + e] = 0u;
  let wait = f32(clip.kick_low) + u.y * f32(clip.kick_high - clip.kick_low);
  info[NEXT_KICK * N + e] = select(0xffffffffu, max(1u, u32(round(wait))), shape.kick > 0.0);
  for (var k = SUM_SCORE; k <= SUM_ERROR; k++) { tally[k * N + e] = 0.0; }
}
