// The gRPC origin behind every proxy of the benchmark: one thread, epoll, HTTP/2 without TLS by prior knowledge.
//
//   grpc PORT
// Sends the message of each unary call back. A message must be the first bytes of body.h in gRPC's framing; a call with
// another one is answered 500, so that the load generator counts it. Header blocks are not decoded: what a call is named
// does not matter here, and payload is not compressed. It trusts its peers to frame well and ends with an error for what
// it does not know (a block of several frames, a window that is too small): it is a measuring tool, not a server.
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "body.h"
#include "listening.h"

enum { PREFACE = 24, FRAME_HEAD = 9, FRAME_MAX = 16384, MESSAGE_MAX = 4096, PREFIX = 5, CALLS = 1024 };
enum { READ_MAX = 262144, IN_MAX = READ_MAX + FRAME_HEAD + FRAME_MAX };
enum { DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE };
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4, PADDED = 8 };
enum { INITIAL_WINDOW = 65535, CREDIT_STEP = 16384, SETTING_INITIAL_WINDOW = 4 };

// A call whose message has not all come. Proxies open few streams at a time on a connection.
struct call {
  uint32_t id;
  size_t length;
  unsigned char message[MESSAGE_MAX];
};

struct connection {
  int fd;
  int is_listener, has_preface, wants_write;
  size_t in_length;
  unsigned char *in;
  size_t out_length, out_sent, out_room;
  unsigned char *out;
  long window, initial_window;  // what the peer takes: on the connection, and on each stream from its beginning
  long uncredited;
  struct call *calls[CALLS];
};

static int poller;
static unsigned char *body;

static void refuse(const char *what) {
  fprintf(stderr, "grpc origin: %s\n", what);
  exit(1);
}

static uint32_t number(const unsigned char *at) {
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void put_number(unsigned char *at, uint32_t value) {
  for (int i = 0; i < 4; i++) at[i] = (unsigned char)(value >> (24 - 8 * i));
}

static void close_connection(struct connection *c) {
  for (int i = 0; i < CALLS; i++) free(c->calls[i]);
  close(c->fd);
  free(c->in);
  free(c->out);
  free(c);
}

static void put_frame(struct connection *c, int type, int flags, uint32_t stream, const void *payload, size_t length) {
  if (c->out_length + FRAME_HEAD + length > c->out_room) {
    c->out_room = (c->out_length + FRAME_HEAD + length) * 2;
    c->out = realloc(c->out, c->out_room);
    if (c->out == NULL) abort();
  }
  unsigned char *at = c->out + c->out_length;
  at[0] = (unsigned char)(length >> 16);
  at[1] = (unsigned char)(length >> 8);
  at[2] = (unsigned char)length;
  at[3] = (unsigned char)type;
  at[4] = (unsigned char)flags;
  put_number(at + 5, stream);
  if (length > 0) memcpy(at + FRAME_HEAD, payload, length);
  c->out_length += FRAME_HEAD + length;
}

static void put_credit(struct connection *c, uint32_t bytes) {
  unsigned char increment[4];
  put_number(increment, bytes);
  put_frame(c, WINDOW_UPDATE, 0, 0, increment, sizeof increment);
}

static void watch(struct connection *c, int wants_write) {
  if (c->wants_write == wants_write) return;
  c->wants_write = wants_write;
  struct epoll_event event = {.events = wants_write ? EPOLLOUT : EPOLLIN, .data.ptr = c};
  if (epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event) < 0) fail("epoll_ctl");
}

// Sends what has gathered. While the system does not take it nothing is read. Returns 0 when the connection is gone.
static int flush(struct connection *c) {
  while (c->out_sent < c->out_length) {
    ssize_t sent = send(c->fd, c->out + c->out_sent, c->out_length - c->out_sent, MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN) {
      watch(c, 1);
      return 1;
    }
    if (sent < 0) {
      close_connection(c);
      return 0;
    }
    c->out_sent += (size_t)sent;
  }
  c->out_length = c->out_sent = 0;
  watch(c, 0);
  return 1;
}

// A call of no message at all (a GET that asks whether somebody is there) is answered without one.
static int is_right(const struct call *call) {
  if (call == NULL) return 1;
  if (call->length < PREFIX || call->message[0] != 0) return 0;
  return number(call->message + 1) == call->length - PREFIX && memcmp(call->message + PREFIX, body, call->length - PREFIX) == 0;
}

static void answer(struct connection *c, uint32_t id, const struct call *call) {
  // HPACK without table: `:status: 200` and `:status: 500` are entries 8 and 14, `content-type` is 31; then literals.
  static const unsigned char HEAD[] = "\x88\x0f\x10\x10" "application/grpc", WRONG[] = "\x8e";
  static const unsigned char TRAILERS[] = "\x00\x0b" "grpc-status" "\x01" "0";
  if (!is_right(call)) {
    put_frame(c, HEADERS, END_HEADERS | END_STREAM, id, WRONG, sizeof WRONG - 1);
    return;
  }
  put_frame(c, HEADERS, END_HEADERS, id, HEAD, sizeof HEAD - 1);
  if (call != NULL) {
    c->window -= (long)call->length;
    if (c->window < 0 || (long)call->length > c->initial_window) refuse("no window for an answer");
    put_frame(c, DATA, 0, id, call->message, call->length);
  }
  put_frame(c, HEADERS, END_HEADERS | END_STREAM, id, TRAILERS, sizeof TRAILERS - 1);
}

static struct call **slot_of(struct connection *c, uint32_t id) {
  return &c->calls[id / 2 % CALLS];
}

static void forget(struct connection *c, uint32_t id) {
  struct call **slot = slot_of(c, id);
  if (*slot == NULL || (*slot)->id != id) return;
  free(*slot);
  *slot = NULL;
}

static void on_data(struct connection *c, uint32_t id, int flags, const unsigned char *payload, size_t length) {
  c->uncredited += (long)length;
  if (flags & PADDED) {
    length -= 1 + (size_t)payload[0];
    payload++;
  }
  struct call **slot = slot_of(c, id), *call = *slot;
  if (call == NULL) {
    call = *slot = malloc(sizeof *call);
    if (call == NULL) abort();
    call->id = id;
    call->length = 0;
  }
  if (call->id != id) refuse("too many calls at once");
  if (call->length + length > MESSAGE_MAX) refuse("a message is too large");
  memcpy(call->message + call->length, payload, length);
  call->length += length;
  if ((flags & END_STREAM) == 0) return;
  answer(c, id, call);
  forget(c, id);
}

static void on_settings(struct connection *c, const unsigned char *payload, size_t length) {
  for (size_t at = 0; at + 6 <= length; at += 6) {
    if ((payload[at] << 8 | payload[at + 1]) == SETTING_INITIAL_WINDOW) c->initial_window = number(payload + at + 2);
  }
  put_frame(c, SETTINGS, ACK, 0, NULL, 0);
}

static void on_frame(struct connection *c, int type, int flags, uint32_t id, const unsigned char *payload, size_t length) {
  switch (type) {
    case DATA: on_data(c, id, flags, payload, length); return;
    case HEADERS:
      if ((flags & END_HEADERS) == 0) refuse("a header block of several frames");
      if (flags & END_STREAM) answer(c, id, NULL);
      return;
    case SETTINGS:
      if ((flags & ACK) == 0) on_settings(c, payload, length);
      return;
    case PING:
      if ((flags & ACK) == 0) put_frame(c, PING, ACK, 0, payload, 8);
      return;
    case WINDOW_UPDATE:
      if (id == 0) c->window += number(payload) & 0x7fffffff;
      return;
    case RST_STREAM: forget(c, id); return;
    default: return;
  }
}

// Handles the complete frames that have come and keeps the rest.
static void feed(struct connection *c) {
  size_t at = 0;
  if (!c->has_preface) {
    if (c->in_length < PREFACE) return;
    if (memcmp(c->in, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", PREFACE) != 0) refuse("not HTTP/2");
    c->has_preface = 1;
    at = PREFACE;
    put_frame(c, SETTINGS, 0, 0, NULL, 0);
  }
  while (c->in_length - at >= FRAME_HEAD) {
    const unsigned char *head = c->in + at;
    size_t length = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
    if (length > FRAME_MAX) refuse("a frame is too large");
    if (c->in_length - at < FRAME_HEAD + length) break;
    on_frame(c, head[3], head[4], number(head + 5) & 0x7fffffff, head + FRAME_HEAD, length);
    at += FRAME_HEAD + length;
  }
  memmove(c->in, c->in + at, c->in_length - at);
  c->in_length -= at;
  if (c->uncredited >= CREDIT_STEP) {
    put_credit(c, (uint32_t)c->uncredited);
    c->uncredited = 0;
  }
}

static void on_readable(struct connection *c) {
  ssize_t got = recv(c->fd, c->in + c->in_length, IN_MAX - c->in_length, 0);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) {
    close_connection(c);
    return;
  }
  c->in_length += (size_t)got;
  feed(c);
  flush(c);
}

static void add(struct connection *c) {
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
  if (epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event) < 0) fail("epoll_ctl");
}

static void on_accept(const struct connection *listener) {
  for (;;) {
    int fd = accept_next(listener->fd);
    if (fd < 0) return;
    struct connection *c = calloc(1, sizeof *c);
    if (c == NULL || (c->in = malloc(IN_MAX)) == NULL) abort();
    c->fd = fd;
    c->window = c->initial_window = INITIAL_WINDOW;
    add(c);
  }
}

static void listen_on(int port) {
  static struct connection listener = {.is_listener = 1};
  listener.fd = listen_on_loopback(port);
  add(&listener);
}

int main(int argc, char **argv) {
  make_ready();
  if (argc != 2) {
    fprintf(stderr, "usage: grpc PORT\n");
    return 2;
  }
  body = make_body(MESSAGE_MAX);
  poller = epoll_create1(0);
  listen_on(atoi(argv[1]));
  struct epoll_event events[256];
  for (;;) {
    int count = epoll_wait(poller, events, 256, -1);
    for (int i = 0; i < count; i++) {
      struct connection *c = events[i].data.ptr;
      if (c->is_listener) on_accept(c);
      else if (events[i].events & EPOLLIN) on_readable(c);
      else if (events[i].events & EPOLLOUT) flush(c);
      else close_connection(c);
    }
  }
}
