// Mean and variance of each column of x [rows, columns], merged into running statistics:
//   statistics [3, columns] = number of rows seen, mean, sum of squared deviations from the mean
// PARTIAL: one thread a column and chunk of rows, two passes over the chunk (mean, then deviations), which is
// exact to rounding where a single pass of squares would cancel. Otherwise: the chunks are merged in order,
// Chan, Golub & LeVeque 1979:
//   n = n1 + n2, d = mean2 - mean1, mean = mean1 + d n2 / n, m2 = m2_1 + m2_2 + d^2 n1 n2 / n

struct Shape { rows: u32, columns: u32, chunk: u32, chunks: u32 }

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read_write> partials: array<f32>;  // [chunks, 3, columns]
#if ${PARTIAL}
@group(0) @binding(2) var<storage, read> x: array<f32>;
#else
@group(0) @binding(2) var<storage, read_write> statistics: array<f32>;
#endif

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let column = id.x;
  if (column >= shape.columns) { return; }
#if ${PARTIAL}
  let first = id.y * shape.chunk;
  let last = min(shape.rows, first + shape.chunk);
  let count = f32(last - first);
  var sum = 0.0;
  for (var row = first; row < last; row++) { sum += x[row * shape.columns + column]; }
  let mean = sum / count;
  var m2 = 0.0;
  for (var row = first; row < last; row++) {
    let d = x[row * shape.columns + column] - mean;
    m2 = fma(d, d, m2);
  }
  let at = id.y * 3u * shape.columns + column;
  partials[at] = count;
  partials[at + shape.columns] = mean;
  partials[at + 2u * shape.columns] = m2;
#else
  var count = statistics[column];
  var mean = statistics[shape.columns + column];
  var m2 = statistics[2u * shape.columns + column];
  for (var chunk = 0u; chunk < shape.chunks; chunk++) {
    let at = chunk * 3u * shape.columns + column;
    let n = partials[at];
    let d = partials[at + shape.columns] - mean;
    let total = count + n;
    mean += d * (n / total);
    m2 += partials[at + 2u * shape.columns] + d * d * (count * n / total);
    count = total;
  }
  statistics[column] = count;
  statistics[shape.columns + column] = mean;
  statistics[2u * shape.columns + column] = m2;
#endif
}
