// C = epilogue(A B), the one matrix product behind every layer, forward and backward.
//
//   C[r, c] = sum over k of A[r, k] B[k, c],   A [rows, depth], B [depth, columns], C [rows, columns]
//
// A and B are read with a stride each way, so a transpose is a change of strides and costs no kernel of its own.
// Slices: workgroups with z > 0 take a further `slice` of the depth each and write their own C, `c_slice` apart, to be
// summed by whoever reads it: a gradient over many rows keeps both its parallelism and its precision so.
//
// Three ways to share the work, chosen by measuring (src/engine/tuner.ts). All add a[k] b[k] in order of k with fma,
// so on one adapter they agree to the bit:
//   naive      one output a thread; the baseline of the benchmark, and right for a handful of outputs
//   subgroup   one subgroup a workgroup; a lane loads A for one row and hands it round by broadcast, ROW_VECTORS x
//              LANES x COLUMNS sums a lane, DEPTH steps at a time. For software renderers, where a lane is a lane of
//              one CPU vector and loads are scalar
//   workgroup  THREADS_X x THREADS_Y threads share tiles of A and B of depth DEPTH in workgroup memory, ROWS x COLUMNS
//              sums a thread. For GPUs
#if ${SUBGROUP}
enable subgroups;
#endif

struct Shape {
  rows: u32, columns: u32, depth: u32, slice: u32,
  a_offset: u32, a_row: u32, a_depth: u32,
  b_offset: u32, b_depth: u32, b_column: u32,
  c_offset: u32, c_slice: u32,
  bias_offset: u32, skip_at: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> c: array<f32>;
#if ${DERIVATIVE}
@group(0) @binding(4) var<storage, read> output: array<f32>;  // [rows, columns], what the activation gave
#endif
#if ${SKIP}
@group(0) @binding(5) var<storage, read> skip: array<f32>;  // nothing is done unless skip[skip_at] is 0
#endif

// the epilogue: bias, what C held before, activation or its derivative
fn store(row: u32, column: u32, slice: u32, sum: f32) {
  if (row >= shape.rows || column >= shape.columns) { return; }
  let at = row * shape.columns + column;
  let target_at = shape.c_offset + slice * shape.c_slice + at;
  var x = sum;
#if ${BIAS}
  x += b[shape.bias_offset + column];
#endif
#if ${ACCUMULATE}
  x += c[target_at];
#endif
#if ${DERIVATIVE}
  let y = output[at];
#if ${TANH}
  x *= 1.0 - y * y;
#elif ${RELU}
  x = select(0.0, x, y > 0.0);
#elif ${ELU}
  x *= select(y + 1.0, 1.0, y > 0.0);
#endif
#else
#if ${TANH}
  // beyond 15 tanh is 1 in f32, and some drivers overflow
  x = tanh(clamp(x, -15.0, 15.0));
#elif ${RELU}
  x = max(x, 0.0);
#elif ${ELU}
  x = select(exp(min(x, 0.0)) - 1.0, x, x > 0.0);
#endif
#endif
  c[target_at] = x;
}

// the last row of A can be ones: with A = X^T and B = dY the last row of C is then the gradient of the bias
fn load_a(row: u32, k: u32) -> f32 {
#if ${ONES}
  if (row == shape.rows - 1u) { return 1.0; }
#endif
  return a[shape.a_offset + row * shape.a_row + k * shape.a_depth];
}

fn load_b(k: u32, column: u32) -> f32 {
  return b[shape.b_offset + k * shape.b_depth + column * shape.b_column];
}

#if ${NAIVE}

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
#if ${SKIP}
  if (skip[shape.skip_at] != 0.0) { return; }
#endif
  let row = min(id.y, shape.rows - 1u);
  let column = min(id.x, shape.columns - 1u);
  let last = min(shape.depth, (id.z + 1u) * shape.slice);
  var sum = 0.0;
  for (var k = id.z * shape.slice; k < last; k++) {
    sum = fma(load_a(row, k), load_b(k, column), sum);
  }
  store(id.y, id.x, id.z, sum);
}

#elif ${SUBGROUP}

const LANES = ${LANES}u;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
#if ${SKIP}
  if (skip[shape.skip_at] != 0.0) { return; }
#endif
  let row = group.y * (${ROW_VECTORS}u * LANES);
  let column = group.x * (${COLUMNS}u * LANES) + lane;
  let last = min(shape.depth, (group.z + 1u) * shape.slice);

#if ${ONES}
  // a row of ones adds up the columns of B; in tiles it would cost one more row of them
  let rows = shape.rows - 1u;
#unroll j ${COLUMNS}
  var column_sum{j} = 0.0;
#end
#else
  let rows = shape.rows;
#endif
  // rows and columns beyond the edge repeat the last one and are not stored
#unroll g ${ROW_VECTORS}
  let a{g} = shape.a_offset + min(row + {g}u * LANES + lane, rows - 1u) * shape.a_row;
#end
#unroll j ${COLUMNS}
  let b{j} = shape.b_offset + min(column + {j}u * LANES, shape.columns - 1u) * shape.b_column;
#end
#unroll g ${ROW_VECTORS}
#unroll l ${LANES}
#unroll j ${COLUMNS}
  var sum{g}_{l}_{j} = 0.0;
#end
#end
#end
  // DEPTH steps at a time, so that a sum is fetched from the stack and put back once for all of them
  for (var k = group.z * shape.slice; k < last; k += ${DEPTH}u) {
#unroll u ${DEPTH}
    // beyond the end of the slice zeros, which add nothing
    let inside{u} = k + {u}u < last;
    let k{u} = min(k + {u}u, last - 1u);
#unroll g ${ROW_VECTORS}
    let x{g}_{u} = select(0.0, a[a{g} + k{u} * shape.a_depth], inside{u});
#end
#unroll j ${COLUMNS}
    let y{j}_{u} = select(0.0, b[b{j} + k{u} * shape.b_depth], inside{u});
#if ${ONES}
    column_sum{j} += y{j}_{u};
#endif
#end
#end
#unroll g ${ROW_VECTORS}
#unroll l ${LANES}
#unroll u ${DEPTH}
    let z{g}_{l}_{u} = subgroupBroadcast(x{g}_{u}, {l}u);
#end
#unroll j ${COLUMNS}
#unroll u ${DEPTH}
    sum{g}_{l}_{j} = fma(z{g}_{l}_{u}, y{j}_{u}, sum{g}_{l}_{j});
#end
#end
#end
#end
  }
  // the epilogue in a loop: written out for every sum it would be most of the code to compile
  var sums: array<f32, ${ROW_VECTORS} * LANES * ${COLUMNS}>;
#unroll g ${ROW_VECTORS}
#unroll l ${LANES}
#unroll j ${COLUMNS}
  sums[({g}u * LANES + {l}u) * ${COLUMNS}u + {j}u] = sum{g}_{l}_{j};
#end
#end
#end
  for (var i = 0u; i < min(${ROW_VECTORS}u * LANES, rows - row); i++) {
    for (var j = 0u; j < ${COLUMNS}u; j++) {
      store(row + i, column + j * LANES, group.z, sums[i * ${COLUMNS}u + j]);
    }
  }
#if ${ONES}
  if (group.y > 0u) { return; }
#unroll j ${COLUMNS}
  store(rows, column + {j}u * LANES, group.z, column_sum{j});
#end
#endif
}

#else

const THREADS = ${THREADS_X}u * ${THREADS_Y}u;
const TILE_ROWS = ${THREADS_Y}u * ${ROWS}u;
const TILE_COLUMNS = ${THREADS_X}u * ${COLUMNS}u;
const DEPTH = ${DEPTH}u;

var<workgroup> a_tile: array<f32, DEPTH * TILE_ROWS>;  // [DEPTH, TILE_ROWS]
var<workgroup> b_tile: array<f32, DEPTH * TILE_COLUMNS>;  // [DEPTH, TILE_COLUMNS]

@compute @workgroup_size(${THREADS_X}, ${THREADS_Y})
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_id) thread: vec3u,
  @builtin(local_invocation_index) index: u32,
) {
#if ${SKIP}
  if (skip[shape.skip_at] != 0.0) { return; }
#endif
  let first_row = group.y * TILE_ROWS;
  let first_column = group.x * TILE_COLUMNS;
  let last = min(shape.depth, (group.z + 1u) * shape.slice);
#unroll i ${ROWS}
#unroll j ${COLUMNS}
  var sum{i}_{j} = 0.0;
#end
#end
  for (var start = group.z * shape.slice; start < last; start += DEPTH) {
    // beyond the edge the tiles hold zeros, which add nothing
    for (var at = index; at < DEPTH * TILE_ROWS; at += THREADS) {
      let row = first_row + at % TILE_ROWS;
      let k = start + at / TILE_ROWS;
      a_tile[at] = 0.0;
      if (row < shape.rows && k < last) { a_tile[at] = load_a(row, k); }
    }
    for (var at = index; at < DEPTH * TILE_COLUMNS; at += THREADS) {
      let column = first_column + at % TILE_COLUMNS;
      let k = start + at / TILE_COLUMNS;
      b_tile[at] = 0.0;
      if (column < shape.columns && k < last) { b_tile[at] = load_b(k, column); }
    }
    workgroupBarrier();
    for (var k = 0u; k < DEPTH; k++) {
#unroll i ${ROWS}
      let x{i} = a_tile[k * TILE_ROWS + thread.y * ${ROWS}u + {i}u];
#end
#unroll j ${COLUMNS}
      let y{j} = b_tile[k * TILE_COLUMNS + thread.x + {j}u * ${THREADS_X}u];
#end
#unroll i ${ROWS}
#unroll j ${COLUMNS}
      sum{i}_{j} = fma(x{i}, y{j}, sum{i}_{j});
#end
#end
    }
    workgroupBarrier();
  }
  var sums: array<f32, ${ROWS} * ${COLUMNS}>;
#unroll i ${ROWS}
#unroll j ${COLUMNS}
  sums[{i}u * ${COLUMNS}u + {j}u] = sum{i}_{j};
#end
#end
  for (var i = 0u; i < ${ROWS}u; i++) {
    for (var j = 0u; j < ${COLUMNS}u; j++) {
      let row = first_row + thread.y * ${ROWS}u + i;
      store(row, first_column + thread.x + j * ${THREADS_X}u, group.z, sums[i * ${COLUMNS}u + j]);
    }
  }
}

#endif
