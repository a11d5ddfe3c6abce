// What the kernels of environments share. An environment is a column: its state (src/physics/kernels.ts), and
//
// info   u32 [FIELDS, environments]: where it is in its episode
// tally  f32 [TALLIES, environments]: sums of the episode, then of the episodes that ended since the owner looked
// clips  what depends on the clip alone
// table  f32 rows, one a frame (src/environments/table.ts)
//
// A state is kept in the frame of its clip's first cycle: where a loop closes, the root is taken back by the motion of
// one cycle, as hinges are by whole turns. So numbers stay small, and nothing needs to know how often it went round.

struct Clip {
  first_row: u32,     // in the table
  frames: u32,
  loops: u32,         // 1, or 0 for a motion that ends
  length: u32,        // control steps of an episode, at most
  timestep: f32,      // of physics, s
  kick_low: u32,      // control steps from one kick to the next
  kick_high: u32,
  back_cos: f32,      // the motion of a cycle, backwards: x = R x' + back
  back_sin: f32,
  back_x: f32,
  back_y: f32,
  pad: u32,
}

const STEP = 0u;      // control step of the reference
const START = 1u;     // frame that the episode started from
const STEPS = 2u;     // done
const LENGTH = 3u;    // of a full episode
const EPISODE = 4u;   // how many this environment has begun
const CLIP = 5u;
const NEXT_KICK = 6u; // in steps done; 0xffffffff: never
const OVER = 7u;      // 0 goes on, 1 over, 2 cut off by its length
const CUTS = 8u;      // episodes cut off since the batch began
const FAILURES = 9u;  // states that were no numbers, in all; then the last one's clip, frame, entry
const FAILED_CLIP = 10u;
const FAILED_FRAME = 11u;
const FAILED_ENTRY = 12u;
const FIELDS = 13u;

const SUM_SCORE = 0u; // of the episode
const SUM_REWARD = 1u;
const SUM_ERROR = 2u; // rad
const EPISODES = 3u;  // ended since the owner looked: how many, then sums over them
const ENDED_SCORE = 4u;
const ENDED_REWARD = 5u;
const ENDED_ERROR = 6u;
const ENDED_RETURN = 7u;
const ENDED_STEPS = 8u;
const ENDED_LENGTH = 9u;
const ENDED_SURVIVED = 10u;
const UNCONVERGED = 11u;   // physics steps whose solver did not converge
const TALLIES = 12u;

fn frame_of(clip: Clip, step: u32) -> u32 {
  return select(min(step, clip.frames - 1u), step % clip.frames, clip.loops == 1u);
}
