// The bytes that the origin sends and the load generator expects, and the hash both compute over uploads.
// Shared so that every response of every scenario can be compared byte by byte, at memcmp speed.
#ifndef SLUICE_BENCH_BODY_H
#define SLUICE_BENCH_BODY_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// Pseudo-random and incompressible; body(n) is a prefix of body(m) for n < m, so one buffer serves all sizes.
static inline unsigned char *make_body(size_t size) {
  unsigned char *body = malloc(size + 8);
  if (body == NULL) abort();
  uint64_t x = 0x9e3779b97f4a7c15u;
  for (size_t i = 0; i < size; i += 8) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    memcpy(body + i, &x, 8);
  }
  return body;
}

// FNV-1a over 8-byte words (the rest byte by byte): a fifth of the cost of the byte-wise form, and as good at showing a
// lost, doubled or moved byte. `part` carries a word that two reads share.
struct body_hash {
  uint64_t value;
  unsigned char part[8];
  unsigned part_length;
};

static inline void body_hash_start(struct body_hash *hash) {
  hash->value = 0xcbf29ce484222325u;
  hash->part_length = 0;
}

static inline void body_hash_word(struct body_hash *hash, const unsigned char *bytes) {
  uint64_t word;
  memcpy(&word, bytes, 8);
  hash->value = (hash->value ^ word) * 0x100000001b3u;
  // A multiplication moves bits up only; without this, high bytes would hardly count.
  hash->value ^= hash->value >> 32;
}

static inline void body_hash_add(struct body_hash *hash, const unsigned char *bytes, size_t length) {
  while (length > 0 && hash->part_length > 0) {
    hash->part[hash->part_length++] = *bytes++;
    length--;
    if (hash->part_length == 8) {
      body_hash_word(hash, hash->part);
      hash->part_length = 0;
    }
  }
  for (; length >= 8; bytes += 8, length -= 8) body_hash_word(hash, bytes);
  if (length > 0) {
    memcpy(hash->part, bytes, length);
    hash->part_length = (unsigned)length;
  }
}

static inline uint64_t body_hash_end(struct body_hash *hash) {
  for (unsigned i = 0; i < hash->part_length; i++) hash->value = (hash->value ^ hash->part[i]) * 0x100000001b3u;
  return hash->value;
}

#endif
