// What the peer has told about itself in SETTINGS frames (RFC 9113 §6.5). PURE.

import { uint32 } from './frame-reader.ts';
import { ErrorCode, type ErrorCodeValue, INITIAL_WINDOW_BYTES, MAX_WINDOW_BYTES, Setting } from './protocol.ts';

/** Largest value of SETTINGS_MAX_FRAME_SIZE (RFC 9113 §6.5.2). */
const LARGEST_FRAME_SIZE = 0xffffff;

export class PeerSettings {
  headerTableSize = 4096;
  /** Window of new streams in the direction to the peer. */
  initialWindowBytes = INITIAL_WINDOW_BYTES;
  /** Streams that we may have open at a server; a client's value is about pushes, of which there are none. */
  maxConcurrentStreams = Number.POSITIVE_INFINITY;
  /** Largest value of SETTINGS_ENABLE_PUSH: 1 for a client, 0 for a server, which must not ask for pushes (§6.5.2). */
  maxEnablePush: 0 | 1 = 1;

  /** Takes the payload of a SETTINGS frame, in order; a whole number of entries. Gives a connection error or noError. */
  apply(buf: Uint8Array, start: number, end: number): ErrorCodeValue {
    for (let at = start; at < end; at += 6) {
      const code = this.#applyOne(((buf[at] as number) << 8) | (buf[at + 1] as number), uint32(buf, at + 2));
      if (code !== ErrorCode.noError) return code;
    }
    return ErrorCode.noError;
  }

  #applyOne(id: number, value: number): ErrorCodeValue {
    switch (id) {
      case Setting.headerTableSize:
        this.headerTableSize = value;
        return ErrorCode.noError;
      case Setting.maxConcurrentStreams:
        this.maxConcurrentStreams = value;
        return ErrorCode.noError;
      case Setting.initialWindowSize:
        if (value > MAX_WINDOW_BYTES) return ErrorCode.flowControlError;
        this.initialWindowBytes = value;
        return ErrorCode.noError;
      case Setting.maxFrameSize:
        // Frames of the initial size suit everybody; larger ones would hold up other streams.
        return value < 16_384 || value > LARGEST_FRAME_SIZE ? ErrorCode.protocolError : ErrorCode.noError;
      case Setting.enablePush:
        return value > this.maxEnablePush ? ErrorCode.protocolError : ErrorCode.noError;
      case Setting.enableConnectProtocol:
      case Setting.noRfc7540Priorities:
        return value > 1 ? ErrorCode.protocolError : ErrorCode.noError;
      default:
        // Unknown settings are ignored (§6.5.2); the limit on lists is advice (§10.5.1).
        return ErrorCode.noError;
    }
  }
}
