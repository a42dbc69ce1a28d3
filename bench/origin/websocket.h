// What the origin and the load generator know of WebSocket (RFC 6455): enough for unfragmented binary messages of up to
// 64 KB, one at a time. The key is the one of the RFC's example, so that neither of them needs SHA-1.
#ifndef SLUICE_BENCH_WEBSOCKET_H
#define SLUICE_BENCH_WEBSOCKET_H

#include <stddef.h>
#include <stdint.h>

#define WEBSOCKET_KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define WEBSOCKET_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

enum { WEBSOCKET_BINARY = 0x82, WEBSOCKET_MASKED = 0x80, WEBSOCKET_SHORT_MAX = 125, WEBSOCKET_HEAD_MAX = 4 };

// Writes the first bytes of a final binary frame, without the masking key; gives how many.
static inline size_t websocket_head(unsigned char *out, size_t length, int masked) {
  unsigned char bit = masked ? WEBSOCKET_MASKED : 0;
  out[0] = WEBSOCKET_BINARY;
  if (length <= WEBSOCKET_SHORT_MAX) {
    out[1] = (unsigned char)(bit | length);
    return 2;
  }
  out[1] = bit | 126;
  out[2] = (unsigned char)(length >> 8);
  out[3] = (unsigned char)length;
  return 4;
}

// Masks or unmasks (RFC 6455 §5.3: the same operation).
static inline void websocket_mask(unsigned char *out, const unsigned char *in, size_t length, const unsigned char *key) {
  for (size_t i = 0; i < length; i++) out[i] = in[i] ^ key[i & 3];
}

#endif
