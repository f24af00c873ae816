// The size of the buffers of transports.
//
// Node counts the frames in these buffers, not their bytes, and a frame may have 64 MiB. A session
// has several transports in a row, and with Node's default of 16 frames for each buffer they could
// hold gigabytes. With these sizes a transport holds a few frames, so `--max-message` bounds the
// memory of a session. Small frames are not slower: a reader that keeps up needs no buffer, and
// the writers gather small frames themselves.

/** The options of a `Duplex` of frames. */
export const frameBuffers = {
  objectMode: true,
  readableHighWaterMark: 1,
  // With 1, each `write` would return false, and the writer would stop after each frame.
  writableHighWaterMark: 2
} as const
