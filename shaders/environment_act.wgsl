// What acts on a body during a control step: PD targets from a policy's actions and the leading reference, with noise of
// their own if asked for; a kick, which changes the root's velocity at once; a push, a steady force.
//
// actions [rows, environments, NU], in units of `unit`; controls [rows, NC, environments]; push [5, environments]: force
// along x, y, z (N, in the clip's frame), steps of the episode from which on it acts, how many

struct Shape { environments: u32, first: u32, count: u32, row: u32, action_row: u32, control_row: u32, offset: u32, seed: u32, noise: f32, kick: f32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read_write> states: array<f32>;
@group(0) @binding(2) var<storage, read_write> info: array<u32>;
@group(0) @binding(3) var<storage, read> clips: array<Clip>;
@group(0) @binding(4) var<storage, read> table: array<f32>;
@group(0) @binding(5) var<storage, read> actions: array<f32>;
@group(0) @binding(6) var<storage, read_write> controls: array<f32>;
@group(0) @binding(7) var<storage, read> push: array<f32>;

#include environment

#include random

const UNIT = array<f32, ${NU}>(${UNIT});

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= shape.count) { return; }
  let N = shape.environments;
  let e = shape.first + id.x;
  let clip = clips[info[CLIP * N + e]];
  let steps = info[STEPS * N + e];
  let row = (clip.first_row + frame_of(clip, info[STEP * N + e])) * ${ROW}u;
  let draw = pcg4d(vec4u(shape.seed, e, info[EPISODE * N + e], steps));
  var unit = UNIT;
  for (var k = 0u; k < ${NU}u; k++) {
    let base = select(0.0, table[row + ${LEAD}u + k], shape.offset == 1u);
    var noise = 0.0;
    if (shape.noise > 0.0) { noise = shape.noise * normal(pcg4d(draw + vec4u(k, 1u, 0u, 0u)).xy); }
    let action = actions[(shape.action_row * N + e) * ${NU}u + k];
    controls[(shape.control_row * ${NC}u + k) * N + e] = fma(unit[k], action, base) + noise;
  }
  let from_step = u32(push[3u * N + e]);
  let pushed = steps >= from_step && steps - from_step < u32(push[4u * N + e]);
  for (var k = 0u; k < 6u; k++) {
    var force = 0.0;
    if (pushed && k < 3u) { force = push[k * N + e]; }
    controls[(shape.control_row * ${NC}u + ${NU}u + k) * N + e] = force;
  }
  if (steps != info[NEXT_KICK * N + e]) { return; }
  let u = uniform4(pcg4d(draw + vec4u(0u, 2u, 0u, 0u)));
  let velocity = (shape.row * ${NS}u + ${NQ}u) * N + e;
  states[velocity] += shape.kick * (2.0 * u.x - 1.0);
  states[velocity + N] += shape.kick * (2.0 * u.y - 1.0);
  let wait = f32(clip.kick_low) + u.z * f32(clip.kick_high - clip.kick_low);
  info[NEXT_KICK * N + e] = steps + max(1u, u32(round(wait)));
}
