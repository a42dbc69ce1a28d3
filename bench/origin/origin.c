// The origin behind every proxy of the benchmark: one thread, epoll, HTTP/1.1 keep-alive, as cheap as a server can be,
// because it shares its core with the load generator.
//
//   origin PORT...     each port is an origin of its own: its number is in the response header X-Origin
//   GET /1k /100k /1m /10m    fixed bodies (body.h)
//   GET /10m-paced            the same 10 MB, 64 KB every 10 ms
//   GET /counts               "<gets> <posts> <bytes posted>", all ports together
//   GET /head                 the request head as it arrived: shows what a proxy adds
//   GET /echo                 with `Upgrade: websocket` and the key of websocket.h: sends each message back
//   POST anything             reads the body and answers "<length> <hash>\n"
// It trusts its peers to frame requests well: it is a measuring tool, not a server. Chunked uploads are answered 411.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "body.h"
#include "listening.h"
#include "websocket.h"

enum { HEAD_MAX = 16384, READ_MAX = 262144, PORTS_MAX = 8, PACE_BYTES = 65536, PACE_MS = 10 };

struct file {
  const char *path;
  size_t size;
  int paced;
};
static const struct file FILES[] = {
    {"/1k", 1024, 0}, {"/100k", 100 * 1024, 0}, {"/1m", 1 << 20, 0}, {"/10m", 10 << 20, 0}, {"/10m-paced", 10 << 20, 1}};
enum { FILE_COUNT = sizeof FILES / sizeof FILES[0] };

// A whole response, head and body in one piece, so that a small one is one send.
struct response {
  char *bytes;
  size_t length;
  char *date;
};

struct connection {
  int fd;
  int port_index;  // -1 for a listener, then `port` counts
  int listener_index;
  int wants_write;
  // Request: head bytes so far, then the body still to come.
  size_t head_length;
  size_t body_left;
  size_t body_length;
  int in_body;
  int in_echo;  // upgraded: `head` holds the frame that is coming
  struct body_hash hash;
  // Response being sent.
  const char *out;
  size_t out_left;
  size_t pace_left;  // how much may be sent before the next tick; only when paced
  int paced;
  struct connection *next_paced;
  char small[4096];
  char head[HEAD_MAX];
};

static int ports[PORTS_MAX];
static struct response responses[PORTS_MAX][FILE_COUNT];
static unsigned long gets, posts, posted_bytes;
static char read_buffer[READ_MAX];
static int poller;
static struct connection *paced_list;
static char date_text[30];

static void renew_date(void) {
  static time_t last;
  time_t now = time(NULL);
  if (now == last) return;
  last = now;
  struct tm parts;
  gmtime_r(&now, &parts);
  strftime(date_text, sizeof date_text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
  for (int p = 0; p < PORTS_MAX; p++)
    for (int f = 0; f < FILE_COUNT; f++)
      if (responses[p][f].date != NULL) memcpy(responses[p][f].date, date_text, 29);
}

static void build_responses(int port_count) {
  unsigned char *body = make_body(10 << 20);
  for (int p = 0; p < port_count; p++) {
    for (int f = 0; f < FILE_COUNT; f++) {
      struct response *r = &responses[p][f];
      r->bytes = malloc(512 + FILES[f].size);
      int head = sprintf(r->bytes,
                         "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Type: application/octet-stream\r\n"
                         "Content-Length: %zu\r\nCache-Control: no-store\r\nX-Origin: %d\r\n\r\n",
                         FILES[f].size, ports[p]);
      memcpy(r->bytes + head, body, FILES[f].size);
      r->length = (size_t)head + FILES[f].size;
      r->date = strstr(r->bytes, "Date: ") + 6;
    }
  }
  free(body);
}

static void close_connection(struct connection *c) {
  for (struct connection **at = &paced_list; *at != NULL; at = &(*at)->next_paced) {
    if (*at != c) continue;
    *at = c->next_paced;
    break;
  }
  close(c->fd);
  free(c);
}

static void watch(struct connection *c, int wants_write) {
  if (c->wants_write == wants_write) return;
  c->wants_write = wants_write;
  struct epoll_event event = {.events = wants_write ? EPOLLOUT : EPOLLIN, .data.ptr = c};
  if (epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event) < 0) fail("epoll_ctl");
}

// Sends what can be sent. Returns 0 when the connection is gone.
static int flush(struct connection *c) {
  while (c->out_left > 0) {
    size_t want = c->out_left;
    if (c->paced && want > c->pace_left) want = c->pace_left;
    if (want == 0) {
      // The next tick goes on; watching for room would spin.
      struct epoll_event event = {.events = 0, .data.ptr = c};
      epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event);
      c->wants_write = -1;
      return 1;
    }
    ssize_t sent = send(c->fd, c->out, want, MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EAGAIN) {
        watch(c, 1);
        return 1;
      }
      close_connection(c);
      return 0;
    }
    c->out += sent;
    c->out_left -= (size_t)sent;
    if (c->paced) c->pace_left -= (size_t)sent;
  }
  if (c->paced) {
    c->paced = 0;
    for (struct connection **at = &paced_list; *at != NULL; at = &(*at)->next_paced) {
      if (*at != c) continue;
      *at = c->next_paced;
      break;
    }
  }
  watch(c, 0);
  return 1;
}

static int answer_small(struct connection *c, int status, const char *body) {
  int length = snprintf(c->small, sizeof c->small,
                        "HTTP/1.1 %d %s\r\nDate: %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\nX-Origin: %d\r\n\r\n%s",
                        status, status == 200 ? "OK" : "Error", date_text, strlen(body), ports[c->port_index], body);
  c->out = c->small;
  c->out_left = (size_t)length;
  return flush(c);
}

static int answer_post(struct connection *c) {
  posts++;
  posted_bytes += c->body_length;
  char text[64];
  snprintf(text, sizeof text, "%zu %016lx\n", c->body_length, (unsigned long)body_hash_end(&c->hash));
  c->in_body = 0;
  return answer_small(c, 200, text);
}

static int answer_upgrade(struct connection *c, size_t head_length) {
  c->head[head_length - 1] = '\0';
  if (strcasestr(c->head, "\r\nupgrade: websocket\r\n") == NULL ||
      strcasestr(c->head, "\r\nsec-websocket-key: " WEBSOCKET_KEY "\r\n") == NULL)
    return answer_small(c, 400, "an upgrade to WebSocket with the key of the benchmark is needed\n");
  c->in_echo = 1;
  c->out = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
           "Sec-WebSocket-Accept: " WEBSOCKET_ACCEPT "\r\n\r\n";
  c->out_left = strlen(c->out);
  return flush(c);
}

static int answer_get(struct connection *c, size_t head_length, const char *path, size_t path_length) {
  if (path_length == 7 && memcmp(path, "/counts", 7) == 0) {
    char text[96];
    snprintf(text, sizeof text, "%lu %lu %lu\n", gets, posts, posted_bytes);
    return answer_small(c, 200, text);
  }
  if (path_length == 5 && memcmp(path, "/head", 5) == 0) {
    c->head[head_length < 3000 ? head_length : 3000] = '\0';
    return answer_small(c, 200, c->head);
  }
  if (path_length == 5 && memcmp(path, "/echo", 5) == 0) return answer_upgrade(c, head_length);
  for (int f = 0; f < FILE_COUNT; f++) {
    if (strlen(FILES[f].path) != path_length || memcmp(FILES[f].path, path, path_length) != 0) continue;
    gets++;
    const struct response *r = &responses[c->port_index][f];
    c->out = r->bytes;
    c->out_left = r->length;
    if (FILES[f].paced) {
      c->paced = 1;
      c->pace_left = PACE_BYTES;
      c->next_paced = paced_list;
      paced_list = c;
    }
    return flush(c);
  }
  return answer_small(c, 404, "no such file\n");
}

// Handles one complete head of `length` bytes. Returns 0 when the connection is gone.
static int on_head(struct connection *c, size_t length) {
  char *line_end = memmem(c->head, length, "\r\n", 2);
  char *path = memchr(c->head, ' ', length);
  char *path_end = path == NULL ? NULL : memchr(path + 1, ' ', (size_t)(line_end - path - 1));
  if (path_end == NULL) return answer_small(c, 400, "bad request line\n");
  path++;
  if (c->head[0] != 'P') return answer_get(c, length, path, (size_t)(path_end - path));
  c->head[length - 1] = '\0';
  const char *field = strcasestr(c->head, "\r\ncontent-length:");
  if (field == NULL) return answer_small(c, 411, "a length is needed\n");
  c->body_left = c->body_length = strtoul(field + 17, NULL, 10);
  c->in_body = 1;
  body_hash_start(&c->hash);
  return c->body_left == 0 ? answer_post(c) : 1;
}

static int feed_body(struct connection *c, const char *bytes, size_t length) {
  body_hash_add(&c->hash, (const unsigned char *)bytes, length);
  c->body_left -= length;
  return c->body_left > 0 ? 1 : answer_post(c);
}

// Sends a complete frame of at most 125 bytes, or of 126 and more with a length of two bytes, back unmasked. Returns 0
// when the connection is gone: also when a frame is none of these, or comes while the last one is still being sent.
static int feed_echo(struct connection *c, const char *bytes, size_t length) {
  unsigned char *frame = (unsigned char *)c->head, *reply = (unsigned char *)c->small;
  if (c->out_left > 0 || length > sizeof c->small - c->head_length) {
    close_connection(c);
    return 0;
  }
  memcpy(frame + c->head_length, bytes, length);
  c->head_length += length;
  if (c->head_length < 4) return 1;
  int is_long = (frame[1] & 127) == 126;
  size_t size = is_long ? (size_t)frame[2] << 8 | frame[3] : frame[1] & 127u, key = is_long ? 4 : 2;
  if (c->head_length < key + 4 + size) return 1;
  if (frame[0] != WEBSOCKET_BINARY || (frame[1] & WEBSOCKET_MASKED) == 0 || c->head_length > key + 4 + size) {
    close_connection(c);
    return 0;
  }
  size_t head = websocket_head(reply, size, 0);
  websocket_mask(reply + head, frame + key + 4, size, frame + key);
  c->head_length = 0;
  c->out = c->small;
  c->out_left = head + size;
  return flush(c);
}

// Takes bytes of one read: the rest of a body, heads, and the first part of a body, in any mix. Proxies do not pipeline,
// so a request never arrives while a response is still being sent.
static int feed(struct connection *c, const char *bytes, size_t length) {
  if (c->in_echo) return feed_echo(c, bytes, length);
  while (length > 0) {
    if (c->in_body) {
      size_t taken = length < c->body_left ? length : c->body_left;
      if (!feed_body(c, bytes, taken)) return 0;
      bytes += taken;
      length -= taken;
      continue;
    }
    size_t room = HEAD_MAX - 1 - c->head_length;
    size_t copied = length < room ? length : room;
    memcpy(c->head + c->head_length, bytes, copied);
    size_t total = c->head_length + copied;
    char *end = memmem(c->head, total, "\r\n\r\n", 4);
    if (end == NULL) {
      if (total == HEAD_MAX - 1) {
        close_connection(c);
        return 0;
      }
      c->head_length = total;
      return 1;
    }
    size_t head = (size_t)(end - c->head) + 4;
    size_t taken = head - c->head_length;
    c->head_length = 0;
    bytes += taken;
    length -= taken;
    if (!on_head(c, head)) return 0;
  }
  return 1;
}

static void on_readable(struct connection *c) {
  ssize_t got = recv(c->fd, read_buffer, sizeof read_buffer, 0);
  if (got > 0) {
    feed(c, read_buffer, (size_t)got);
    return;
  }
  if (got < 0 && errno == EAGAIN) return;
  close_connection(c);
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
    if (c == NULL) abort();
    c->fd = fd;
    c->port_index = listener->listener_index;
    add(c);
  }
}

static void open_listener(int index) {
  struct connection *listener = calloc(1, sizeof *listener);
  listener->fd = listen_on_loopback(ports[index]);
  listener->port_index = -1;
  listener->listener_index = index;
  add(listener);
}

static void tick_paced(void) {
  static struct timespec last;
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  long elapsed_ms = (now.tv_sec - last.tv_sec) * 1000 + (now.tv_nsec - last.tv_nsec) / 1000000;
  if (elapsed_ms < PACE_MS) return;
  last = now;
  for (struct connection *c = paced_list, *next; c != NULL; c = next) {
    next = c->next_paced;
    c->pace_left = PACE_BYTES;
    flush(c);
  }
}

int main(int argc, char **argv) {
  make_ready();
  int port_count = argc - 1;
  if (port_count < 1 || port_count > PORTS_MAX) {
    fprintf(stderr, "usage: origin PORT... (at most %d)\n", PORTS_MAX);
    return 2;
  }
  poller = epoll_create1(0);
  for (int i = 0; i < port_count; i++) ports[i] = atoi(argv[i + 1]);
  build_responses(port_count);
  renew_date();
  for (int i = 0; i < port_count; i++) open_listener(i);
  puts("ready");
  fflush(stdout);
  struct epoll_event events[256];
  for (;;) {
    int count = epoll_wait(poller, events, 256, paced_list == NULL ? 1000 : PACE_MS);
    renew_date();
    if (paced_list != NULL) tick_paced();
    for (int i = 0; i < count; i++) {
      struct connection *c = events[i].data.ptr;
      if (c->port_index == -1) on_accept(c);
      else if (events[i].events & EPOLLIN) on_readable(c);
      else if (events[i].events & EPOLLOUT) flush(c);
      else close_connection(c);
    }
  }
}
