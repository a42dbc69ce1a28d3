// Names of the numbers on an HTTP/2 wire (RFC 9113 §6, §7, §11). PURE.

/** What a client sends before its first frame (RFC 9113 §3.4), latin1. */
export const CLIENT_PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

export const FRAME_HEADER_BYTES = 9;
/** Payload size that every peer takes, and the most we take: SETTINGS_MAX_FRAME_SIZE stays at its initial value. */
export const MAX_FRAME_BYTES = 16_384;
/** Initial size of every flow-control window (RFC 9113 §6.9.2). */
export const INITIAL_WINDOW_BYTES = 65_535;
/** Windows and increments have 31 bits (RFC 9113 §6.9.1). */
export const MAX_WINDOW_BYTES = 0x7fffffff;
export const MAX_STREAM_ID = 0x7fffffff;

export const FrameType = {
  data: 0x0,
  headers: 0x1,
  priority: 0x2,
  rstStream: 0x3,
  settings: 0x4,
  pushPromise: 0x5,
  ping: 0x6,
  goAway: 0x7,
  windowUpdate: 0x8,
  continuation: 0x9,
  /** RFC 9218 §7.1. */
  priorityUpdate: 0x10,
} as const;

export const Flag = {
  endStream: 0x1,
  ack: 0x1,
  endHeaders: 0x4,
  padded: 0x8,
  priority: 0x20,
} as const;

/** Error codes of RST_STREAM and GOAWAY (RFC 9113 §7). */
export const ErrorCode = {
  noError: 0x0,
  protocolError: 0x1,
  internalError: 0x2,
  flowControlError: 0x3,
  settingsTimeout: 0x4,
  streamClosed: 0x5,
  frameSizeError: 0x6,
  refusedStream: 0x7,
  cancel: 0x8,
  compressionError: 0x9,
  connectError: 0xa,
  enhanceYourCalm: 0xb,
  inadequateSecurity: 0xc,
  http11Required: 0xd,
} as const;

export type ErrorCodeValue = (typeof ErrorCode)[keyof typeof ErrorCode];

export const Setting = {
  headerTableSize: 0x1,
  enablePush: 0x2,
  maxConcurrentStreams: 0x3,
  initialWindowSize: 0x4,
  maxFrameSize: 0x5,
  maxHeaderListSize: 0x6,
  /** RFC 8441 §3. */
  enableConnectProtocol: 0x8,
  /** RFC 9218 §2.1. */
  noRfc7540Priorities: 0x9,
} as const;
