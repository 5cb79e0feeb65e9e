// Positions of messages: the life of the stream, and the place in it.

// Whether a position is after another.
export function isAfter(left, right) {
  const [leftEpoch, leftSequence] = left.split(".").map(Number);
  const [rightEpoch, rightSequence] = right.split(".").map(Number);
  return leftEpoch === rightEpoch ? leftSequence > rightSequence : leftEpoch > rightEpoch;
}
