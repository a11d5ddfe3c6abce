// A shuffled mini-batch of a data set that lives on the GPU:
//   batch[row] = data[order(step * rows + row)],   inputs [held, in_width], targets [held, out_width]
// The stream of samples is one shuffled pass over the data after another, so that every sample comes once an epoch
// and no batch is short. `order` computes the place in the shuffle when it is asked for, and stores no list: a
// Feistel network of 4 rounds permutes the numbers of the next power of 4, keyed by seed and epoch; a result beyond
// the data set is put through again until it falls inside (cycle walking, Black & Rogaway 2002), fewer than 4 times
// on average. A data set larger than a binding lies in several arrays: a dispatch each, which fills the rows whose
// samples are in its array.

struct Shape {
  count: u32,  // samples in all arrays together
  first: u32,  // number of this array's first sample
  held: u32,   // samples in this array
  rows: u32,
  in_width: u32,
  out_width: u32,
  seed: u32,
  half_bits: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> progress: array<u32>;  // [0]: steps taken
@group(0) @binding(2) var<storage, read> inputs: array<f32>;
@group(0) @binding(3) var<storage, read> targets: array<f32>;
@group(0) @binding(4) var<storage, read_write> batch_inputs: array<f32>;
@group(0) @binding(5) var<storage, read_write> batch_targets: array<f32>;

// a 32-bit integer hash with good avalanche (constants: Ellis' "lowbias32")
fn hash(value: u32) -> u32 {
  var x = value;
  x = (x ^ (x >> 16u)) * 0x7feb352du;
  x = (x ^ (x >> 15u)) * 0x846ca68bu;
  return x ^ (x >> 16u);
}

fn permute(value: u32, key: u32) -> u32 {
  let mask = (1u << shape.half_bits) - 1u;
  var left = value >> shape.half_bits;
  var right = value & mask;
  for (var round = 0u; round < 4u; round++) {
    let next = left ^ (hash(right ^ hash(key + round)) & mask);
    left = right;
    right = next;
  }
  return (left << shape.half_bits) | right;
}

fn order(position: u32, key: u32) -> u32 {
  var at = permute(position, key);
  while (at >= shape.count) { at = permute(at, key); }
  return at;
}

// one workgroup a row: the place in the shuffle is worked out once for LANES columns at a time
@compute @workgroup_size(${LANES})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = group.x;
  let sample = progress[0] * shape.rows + row;
  let epoch = sample / shape.count;
  let chosen = order(sample % shape.count, hash(shape.seed ^ hash(epoch)));
  if (chosen < shape.first || chosen >= shape.first + shape.held) { return; }
  let source = chosen - shape.first;
  for (var k = lane; k < shape.in_width; k += ${LANES}u) {
    batch_inputs[row * shape.in_width + k] = inputs[source * shape.in_width + k];
  }
  for (var k = lane; k < shape.out_width; k += ${LANES}u) {
    batch_targets[row * shape.out_width + k] = targets[source * shape.out_width + k];
  }
}
