// What a policy sees of every environment: errors against the reference's frame, printed from
// src/environments/programs.ts, then what depends on the frame alone.
//
// observations [rows, environments, OBSERVED], the first numbers of an observation. With `ends`, only environments whose
// episode goes on at the end of a batch, each as its final state there: its number goes to `ends` [rows, environments].
//
// marks [rows, 2, environments]: the row of the table and the clip, from which derivatives find what a state was compared
// with (environment_observe_adjoint.wgsl); kept with `mark`.

struct Shape { environments: u32, first: u32, count: u32, row: u32, observation_row: u32, end_row: u32, mark: u32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> states: array<f32>;
@group(0) @binding(2) var<storage, read> info: array<u32>;
@group(0) @binding(3) var<storage, read> clips: array<Clip>;
@group(0) @binding(4) var<storage, read> table: array<f32>;
@group(0) @binding(5) var<storage, read_write> observations: array<f32>;
@group(0) @binding(6) var<storage, read_write> marks: array<u32>;
#if ${ENDS}
@group(0) @binding(7) var<storage, read_write> ends: array<u32>;
#endif

#include environment

#include trigonometry

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= shape.count) { return; }
  let N = shape.environments;
  let e = shape.first + id.x;
#if ${ENDS}
  let end = shape.end_row * N + e;
  if (ends[end] == 0u) { ends[end] = 2u + shape.observation_row * N + e; }
#endif
  let clip = clips[info[CLIP * N + e]];
  let at = (clip.first_row + frame_of(clip, info[STEP * N + e])) * ${ROW}u;
  var x: array<f32, ${NX}>;
  for (var k = 0u; k < ${NX}u; k++) { x[k] = states[(shape.row * ${NS}u + k) * N + e]; }
  var row: array<f32, ${ROW}>;
  for (var k = 0u; k < ${ROW}u; k++) { row[k] = table[at + k]; }
  var errors: array<f32, ${ERRORS}>;
  {
${OBSERVATION}
  }
  if (shape.mark == 1u) {
    marks[2u * shape.row * N + e] = at / ${ROW}u;
    marks[(2u * shape.row + 1u) * N + e] = info[CLIP * N + e];
  }
  let to = (shape.observation_row * N + e) * ${OBSERVED}u;
  for (var k = 0u; k < ${ERRORS}u; k++) { observations[to + k] = errors[k]; }
  for (var k = ${ERRORS}u; k < ${OBSERVED}u; k++) { observations[to + k] = row[${FEATURES}u + k - ${ERRORS}u]; }
}
