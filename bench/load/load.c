// The load generator of the benchmark: one thread, epoll, closed loop, HTTP/1.1 with or without TLS, and WebSocket.
//
// It exists beside wrk because it compares every byte of every response (status, length, content, origin) at memcmp
// speed, where wrk's Lua hook would make the generator the bottleneck, and because wrk can neither measure handshakes nor
// read slowly. It also reads the proxy's CPU time itself, at the very edges of the measured window.
// Out: one line of JSON. `errors` other than 0 makes the run worthless; `firstError` tells why.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "../origin/body.h"
#include "../origin/websocket.h"

enum { HEAD_MAX = 4096, READ_MAX = 262144, SLOW_READ = 65536, SLOW_TICK_MS = 10, CONNECTING_MAX = 64, PIDS_MAX = 64 };
enum { REQUEST_MAX = 512, MESSAGE_MAX = REQUEST_MAX - WEBSOCKET_HEAD_MAX - 4 };
// Latencies: 1 µs steps to 20 ms, then 100 µs steps to 20 s.
enum { FINE = 20000, COARSE = 200000 };

// `WEBSOCKET`: a request is a message, and its response the same message as the server sends it back.
enum mode { REQUESTS, HANDSHAKES, RESUMED, IDLE, WEBSOCKET };
static struct {
  enum mode mode;
  int port, origin_port, tls, connections, post, hosts, slow, greedy, cookies;
  const char *host, *path;
  size_t size;
  double warmup, seconds;
} options = {.host = "bench.test", .path = "/1k", .size = 1024, .connections = 64, .seconds = 1, .hosts = 0};

// `SMALL` connections are the measured ones. `SLOW` and `GREEDY` download 10 MB, at most 64 KB per 10 ms or at full speed.
enum kind { SMALL, SLOW, GREEDY };
enum phase { CONNECTING, SENDING, HEAD, BODY, PARKED };

struct connection {
  int fd;
  SSL *ssl;
  enum kind kind;
  enum phase phase;
  int handshaken, upgraded;
  uint32_t watched;
  const char *out;
  size_t out_left;
  size_t head_length, body_got, body_size;
  int expected_origin;
  uint64_t started_ns;
  const char *expected;
  char request[REQUEST_MAX];
  size_t request_length;
  char head[HEAD_MAX];
};

static int poller;
static SSL_CTX *tls_context;
static SSL_SESSION *session;
static struct sockaddr_in target;
static unsigned char *body;
static char *fixed_request;
static size_t fixed_request_length;
static char post_answer[64];
static char read_buffer[READ_MAX];
static struct connection **connections;
static int connecting, parked;
static uint64_t random_state = 88172645463325252u;

static int measuring;
static unsigned long completed, bulk_bytes, errors, handshakes, resumptions;
static char first_error[200], cipher[64];
static unsigned fine[FINE], coarse[COARSE];
static int pids[PIDS_MAX], pid_count;

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void die(const char *what) {
  perror(what);
  exit(1);
}

__attribute__((format(printf, 1, 2))) static void wrong(const char *format, ...) {
  if (errors++ > 0) return;
  va_list list;
  va_start(list, format);
  vsnprintf(first_error, sizeof first_error, format, list);
  va_end(list);
  for (char *p = first_error; *p != '\0'; p++)
    if (*p == '"' || *p == '\\' || (unsigned char)*p < ' ') *p = '\'';
}

// CPU time of all threads of all watched processes, nanoseconds.
static uint64_t cpu_ns(void) {
  uint64_t sum = 0;
  for (int i = 0; i < pid_count; i++) {
    char path[320];
    snprintf(path, sizeof path, "/proc/%d/task", pids[i]);
    DIR *tasks = opendir(path);
    if (tasks == NULL) continue;
    for (struct dirent *task; (task = readdir(tasks)) != NULL;) {
      if (task->d_name[0] == '.') continue;
      snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", pids[i], task->d_name);
      FILE *file = fopen(path, "r");
      unsigned long ran = 0;
      if (file == NULL) continue;
      if (fscanf(file, "%lu", &ran) == 1) sum += ran;
      fclose(file);
    }
    closedir(tasks);
  }
  return sum;
}

static void record(uint64_t elapsed_ns) {
  uint64_t us = elapsed_ns / 1000;
  if (us < FINE) fine[us]++;
  else coarse[us / 100 < COARSE ? us / 100 : COARSE - 1]++;
}

static unsigned long percentile_us(double share) {
  unsigned long total = 0, seen = 0;
  for (int i = 0; i < FINE; i++) total += fine[i];
  for (int i = 0; i < COARSE; i++) total += coarse[i];
  unsigned long rank = (unsigned long)(share * (double)total);
  for (int i = 0; i < FINE; i++)
    if ((seen += fine[i]) > rank) return (unsigned long)i;
  for (int i = 0; i < COARSE; i++)
    if ((seen += coarse[i]) > rank) return (unsigned long)i * 100;
  return 0;
}

static void watch(struct connection *c, uint32_t events) {
  if (c->watched == events) return;
  struct epoll_event event = {.events = events, .data.ptr = c};
  if (epoll_ctl(poller, c->watched == UINT32_MAX ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, c->fd, &event) < 0) die("epoll_ctl");
  c->watched = events;
}

static int on_new_session(SSL *ssl, SSL_SESSION *fresh) {
  (void)ssl;
  SSL_SESSION_free(session);
  session = fresh;
  return 1;
}

static void open_connection(struct connection *c) {
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (c->fd < 0) die("socket");
  int on = 1, small_window = SLOW_READ;
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (c->kind == SLOW) setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &small_window, sizeof small_window);
  c->started_ns = now_ns();
  c->phase = CONNECTING;
  c->handshaken = !options.tls;
  c->upgraded = 0;
  c->watched = UINT32_MAX;
  if (connect(c->fd, (struct sockaddr *)&target, sizeof target) < 0 && errno != EINPROGRESS) die("connect");
  if (options.tls) {
    c->ssl = SSL_new(tls_context);
    SSL_set_fd(c->ssl, c->fd);
    SSL_set_tlsext_host_name(c->ssl, options.host);
    SSL_set_connect_state(c->ssl);
    if (options.mode == RESUMED && session != NULL) SSL_set_session(c->ssl, session);
  }
  connecting++;
  watch(c, EPOLLOUT);
}

static void close_connection(struct connection *c) {
  if (c->ssl != NULL) {
    SSL_shutdown(c->ssl);
    SSL_free(c->ssl);
    c->ssl = NULL;
  }
  close(c->fd);
}

// More than 0: bytes; 0: wait for `watch`ed events; -1: the connection is over.
static ssize_t wait_or_fail(struct connection *c, int result) {
  switch (SSL_get_error(c->ssl, result)) {
    case SSL_ERROR_WANT_READ: watch(c, EPOLLIN); return 0;
    case SSL_ERROR_WANT_WRITE: watch(c, EPOLLOUT); return 0;
    default: ERR_clear_error(); return -1;
  }
}

static ssize_t receive(struct connection *c, char *buffer, size_t size) {
  if (c->ssl != NULL) {
    int got = SSL_read(c->ssl, buffer, (int)size);
    return got > 0 ? got : wait_or_fail(c, got);
  }
  ssize_t got = recv(c->fd, buffer, size, 0);
  if (got > 0) return got;
  if (got == 0 || errno != EAGAIN) return -1;
  watch(c, EPOLLIN);
  return 0;
}

static ssize_t transmit(struct connection *c) {
  if (c->ssl != NULL) {
    size_t piece = c->out_left < 1 << 17 ? c->out_left : 1 << 17;
    int sent = SSL_write(c->ssl, c->out, (int)piece);
    return sent > 0 ? sent : wait_or_fail(c, sent);
  }
  ssize_t sent = send(c->fd, c->out, c->out_left, MSG_NOSIGNAL);
  if (sent >= 0) return sent;
  if (errno != EAGAIN) return -1;
  watch(c, EPOLLOUT);
  return 0;
}

static uint64_t next_random(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state;
}

// A message that differs from those before it, masked as clients must, and the frame that must come back.
static void prepare_message(struct connection *c) {
  uint64_t chance = next_random();
  const unsigned char *key = (const unsigned char *)&chance, *payload = body + (chance >> 32) % 65536;
  unsigned char *out = (unsigned char *)c->request, *echo = (unsigned char *)c->head;
  size_t head = websocket_head(out, options.size, 1);
  memcpy(out + head, key, 4);
  websocket_mask(out + head + 4, payload, options.size, key);
  c->out = c->request;
  c->out_left = head + 4 + options.size;
  memcpy(echo + websocket_head(echo, options.size, 0), payload, options.size);
  c->expected = c->head;
  c->body_size = head + options.size;
}

// Only the digits of the host are new: a generator that works longer per request would leave the proxy smaller batches.
static void prepare_host(struct connection *c, unsigned host) {
  static const char host_line[] = " HTTP/1.1\r\nHost: h";
  size_t digits = 4 + strlen(options.path) + sizeof host_line - 1;
  if (c->request_length == 0)
    c->request_length =
        (size_t)snprintf(c->request, sizeof c->request, "GET %s%s00000.%s\r\nUser-Agent: sluice-bench/1\r\nAccept: */*\r\n\r\n",
                         options.path, host_line, options.host);
  for (int at = 4; at >= 0; at--, host /= 10) c->request[digits + (size_t)at] = (char)('0' + host % 10);
  c->out = c->request;
  c->out_left = c->request_length;
}

// Chooses the next request of a connection and what its answer must be.
static void prepare(struct connection *c) {
  c->head_length = c->body_got = 0;
  c->expected_origin = options.origin_port;
  c->expected = (const char *)body;
  c->body_size = options.size;
  c->phase = SENDING;
  if (options.mode == REQUESTS || c->upgraded || c->started_ns == 0) c->started_ns = now_ns();
  if (c->upgraded) {
    prepare_message(c);
    return;
  }
  if (c->kind != SMALL) {
    c->body_size = 10 << 20;
    c->out_left = (size_t)snprintf(c->request, sizeof c->request, "GET /10m HTTP/1.1\r\nHost: %s\r\n\r\n", options.host);
    c->out = c->request;
    return;
  }
  if (options.hosts > 0) {
    // Even hosts belong to one origin, odd hosts to the next: a table that mixes hosts up is caught.
    unsigned i = (unsigned)(next_random() % (unsigned)options.hosts);
    c->expected_origin += (int)(i & 1);
    prepare_host(c, i);
    return;
  }
  if (options.mode == WEBSOCKET) c->body_size = 0;
  if (options.post) {
    c->expected = post_answer;
    c->body_size = strlen(post_answer);
  }
  int has_cookie = options.cookies && c->request_length > 0;
  c->out = has_cookie ? c->request : fixed_request;
  c->out_left = has_cookie ? c->request_length : fixed_request_length;
}

// With --cookies: from now on the connection sends back the cookie that this head sets, as a browser does. A second one
// would mean that the first was not understood.
static void keep_cookie(struct connection *c) {
  static const char name[] = "\r\nset-cookie:";
  const char *at = strcasestr(c->head, name);
  if (at == NULL) return;
  at += sizeof name - 1;
  at += strspn(at, " ");
  if (c->request_length > 0) {
    wrong("a cookie was set that the client has");
    return;
  }
  // Without the empty line at its end.
  c->request_length = (size_t)snprintf(c->request, sizeof c->request, "%.*sCookie: %.*s\r\n\r\n",
                                       (int)fixed_request_length - 2, fixed_request, (int)strcspn(at, ";\r"), at);
  if (c->request_length < sizeof c->request) return;
  fprintf(stderr, "a request with its cookie is longer than %d bytes\n", REQUEST_MAX);
  exit(2);
}

static size_t field_number(const char *head, const char *name) {
  const char *at = strcasestr(head, name);
  return at == NULL ? SIZE_MAX : strtoul(at + strlen(name), NULL, 10);
}

// Checks a complete head; returns 0 when the connection cannot go on.
static int check_head(struct connection *c, size_t length) {
  char last = c->head[length - 1];
  c->head[length - 1] = '\0';
  int status = memcmp(c->head, "HTTP/1.1 ", 9) == 0 ? atoi(c->head + 9) : 0;
  size_t content_length = field_number(c->head, "\r\ncontent-length:");
  size_t origin = field_number(c->head, "\r\nx-origin:");
  int accepted = strcasestr(c->head, "\r\nsec-websocket-accept: " WEBSOCKET_ACCEPT "\r\n") != NULL;
  if (options.cookies && c->kind == SMALL) keep_cookie(c);
  c->head[length - 1] = last;
  if (options.mode == WEBSOCKET) {
    if (status != 101) wrong("status %d", status);
    else if (!accepted) wrong("no or another Sec-WebSocket-Accept");
    else return 1;
    return 0;
  }
  if (status != 200) wrong("status %d", status);
  else if (content_length != c->body_size) wrong("Content-Length %zd, expected %zu", (ssize_t)content_length, c->body_size);
  else if (origin != (size_t)c->expected_origin) wrong("origin %zd, expected %d", (ssize_t)origin, c->expected_origin);
  else return 1;
  return 0;
}

static int take_body(struct connection *c, const char *bytes, size_t length) {
  if (c->body_got + length > c->body_size) {
    wrong("%zu bytes after the end of the body", c->body_got + length - c->body_size);
    return 0;
  }
  if (memcmp(bytes, c->expected + c->body_got, length) != 0) {
    wrong("wrong content between bytes %zu and %zu", c->body_got, c->body_got + length);
    return 0;
  }
  c->body_got += length;
  if (c->kind != SMALL) bulk_bytes += measuring ? length : 0;
  return 1;
}

static int take(struct connection *c, const char *bytes, size_t length) {
  if (c->phase == BODY) return take_body(c, bytes, length);
  size_t room = HEAD_MAX - c->head_length, copied = length < room ? length : room;
  memcpy(c->head + c->head_length, bytes, copied);
  char *end = memmem(c->head, c->head_length + copied, "\r\n\r\n", 4);
  if (end == NULL) {
    c->head_length += copied;
    if (c->head_length == HEAD_MAX) wrong("response head larger than %d bytes", HEAD_MAX);
    return c->head_length < HEAD_MAX;
  }
  size_t head = (size_t)(end - c->head) + 4, used = head - c->head_length;
  if (!check_head(c, head)) return 0;
  c->phase = BODY;
  return length == used || take_body(c, bytes + used, length - used);
}

static void send_request(struct connection *c);

static void finish(struct connection *c) {
  uint64_t now = now_ns();
  int is_upgrade = options.mode == WEBSOCKET && !c->upgraded;
  if (c->kind == SMALL && measuring && !is_upgrade) {
    completed++;
    record(now - c->started_ns);
  }
  if (options.mode == IDLE) {
    c->phase = PARKED;
    parked++;
    connecting--;
    watch(c, EPOLLIN);
    return;
  }
  if (options.mode == REQUESTS || options.mode == WEBSOCKET) {
    c->upgraded = options.mode == WEBSOCKET;
    prepare(c);
    send_request(c);
    return;
  }
  close_connection(c);
  open_connection(c);
}

static void lost(struct connection *c) {
  wrong("connection lost in phase %d after %zu of %zu bytes", c->phase, c->body_got, c->body_size);
  close_connection(c);
  open_connection(c);
}

static void restart(struct connection *c) {
  close_connection(c);
  open_connection(c);
}

static void receive_response(struct connection *c) {
  size_t limit = c->kind == SLOW ? SLOW_READ : READ_MAX;
  for (;;) {
    ssize_t got = receive(c, read_buffer, limit);
    if (got == 0) return;
    if (got < 0) {
      lost(c);
      return;
    }
    if (!take(c, read_buffer, (size_t)got)) {
      restart(c);
      return;
    }
    if (c->phase == BODY && c->body_got == c->body_size) {
      finish(c);
      return;
    }
    if (c->kind == SLOW) {
      watch(c, 0);  // the tick turns it on again
      return;
    }
    // A short read emptied the socket: waiting is cheaper than asking again. TLS may hold more in its own buffer.
    if (c->ssl == NULL && (size_t)got < limit) {
      watch(c, EPOLLIN);
      return;
    }
  }
}

static void send_request(struct connection *c) {
  while (c->out_left > 0) {
    ssize_t sent = transmit(c);
    if (sent == 0) return;
    if (sent < 0) {
      lost(c);
      return;
    }
    c->out += sent;
    c->out_left -= (size_t)sent;
  }
  c->phase = c->upgraded ? BODY : HEAD;
  watch(c, EPOLLIN);
}

static void connect_on(struct connection *c) {
  int error = 0;
  socklen_t length = sizeof error;
  getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &length);
  if (error != 0) {
    fprintf(stderr, "cannot connect to port %d: %s\n", options.port, strerror(error));
    exit(1);
  }
  if (!c->handshaken) {
    int result = SSL_do_handshake(c->ssl);
    if (result != 1) {
      if (wait_or_fail(c, result) < 0) lost(c);
      return;
    }
    c->handshaken = 1;
    handshakes += measuring ? 1 : 0;
    resumptions += measuring && SSL_session_reused(c->ssl) ? 1 : 0;
    snprintf(cipher, sizeof cipher, "%s %s", SSL_get_version(c->ssl), SSL_get_cipher_name(c->ssl));
  }
  if (options.mode != IDLE) connecting--;
  prepare(c);
  send_request(c);
}

static void on_event(struct connection *c) {
  switch (c->phase) {
    case CONNECTING: connect_on(c); return;
    case SENDING: send_request(c); return;
    case HEAD:
    case BODY: receive_response(c); return;
    case PARKED: {
      // TLS tickets may still arrive; an end of the connection may not.
      ssize_t got = receive(c, read_buffer, READ_MAX);
      if (got == 0) return;
      wrong("an idle connection was closed");
      close_connection(c);
      c->fd = -1;
    }
  }
}

static void tick_slow(void) {
  for (int i = 0; i < options.slow; i++) {
    struct connection *c = connections[i];
    if (c->watched == 0 && (c->phase == HEAD || c->phase == BODY)) watch(c, EPOLLIN);
  }
}

static void poll_until(uint64_t end_ns) {
  struct epoll_event events[512];
  static uint64_t next_tick;
  for (uint64_t now = now_ns(); now < end_ns; now = now_ns()) {
    if (options.slow > 0 && now >= next_tick) {
      tick_slow();
      next_tick = now + SLOW_TICK_MS * 1000000u;
    }
    int wait_ms = options.slow > 0 ? 5 : (int)((end_ns - now) / 1000000u) + 1;
    int count = epoll_wait(poller, events, 512, wait_ms < 100 ? wait_ms : 100);
    for (int i = 0; i < count; i++) on_event(events[i].data.ptr);
  }
}

static void build_request(void) {
  body = make_body(10 << 20);
  fixed_request = malloc(1024 + options.size);
  int length = sprintf(fixed_request, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: sluice-bench/1\r\nAccept: */*\r\n",
                       options.post ? "POST" : "GET", options.path, options.host);
  if (options.post) length += sprintf(fixed_request + length, "Content-Length: %zu\r\n", options.size);
  if (options.mode == WEBSOCKET) {
    length += sprintf(fixed_request + length, "Connection: Upgrade\r\nUpgrade: websocket\r\n"
                      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " WEBSOCKET_KEY "\r\n");
  }
  length += sprintf(fixed_request + length, "\r\n");
  if (options.post) {
    memcpy(fixed_request + length, body, options.size);
    length += (int)options.size;
    struct body_hash hash;
    body_hash_start(&hash);
    body_hash_add(&hash, body, options.size);
    sprintf(post_answer, "%zu %016lx\n", options.size, (unsigned long)body_hash_end(&hash));
  }
  fixed_request_length = (size_t)length;
}

static void build_tls(void) {
  tls_context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_min_proto_version(tls_context, TLS1_3_VERSION);
  // What browsers prefer on machines with AES instructions; one cipher, so that all proxies do the same work.
  SSL_CTX_set_ciphersuites(tls_context, "TLS_AES_128_GCM_SHA256");
  SSL_CTX_set1_groups_list(tls_context, "X25519");
  SSL_CTX_set_mode(tls_context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_session_cache_mode(tls_context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  if (options.mode == RESUMED) SSL_CTX_sess_set_new_cb(tls_context, on_new_session);
}

static void parse_pids(char *text) {
  for (char *at = strtok(text, ","); at != NULL && pid_count < PIDS_MAX; at = strtok(NULL, ",")) pids[pid_count++] = atoi(at);
}

static enum mode parse_mode(const char *text) {
  if (strcmp(text, "requests") == 0) return REQUESTS;
  if (strcmp(text, "handshakes") == 0) return HANDSHAKES;
  if (strcmp(text, "resumed") == 0) return RESUMED;
  if (strcmp(text, "idle") == 0) return IDLE;
  if (strcmp(text, "websocket") == 0) return WEBSOCKET;
  fprintf(stderr, "unknown mode %s\n", text);
  exit(2);
}

static void parse_options(int argc, char **argv) {
  static const struct option names[] = {
      {"mode", 1, 0, 'm'},   {"port", 1, 0, 'p'},  {"origin-port", 1, 0, 'o'}, {"tls", 0, 0, 't'},
      {"host", 1, 0, 'h'},   {"path", 1, 0, 'a'},  {"size", 1, 0, 's'},        {"connections", 1, 0, 'c'},
      {"post", 0, 0, 'P'},   {"hosts", 1, 0, 'H'}, {"slow", 1, 0, 'S'},        {"greedy", 1, 0, 'G'},
      {"warmup", 1, 0, 'w'}, {"pids", 1, 0, 'i'},  {"seconds", 1, 0, 'd'},
      {"cookies", 0, 0, 'C'}, {0, 0, 0, 0}};
  for (int option; (option = getopt_long(argc, argv, "", names, NULL)) != -1;) {
    switch (option) {
      case 'm': options.mode = parse_mode(optarg); break;
      case 'p': options.port = atoi(optarg); break;
      case 'o': options.origin_port = atoi(optarg); break;
      case 't': options.tls = 1; break;
      case 'h': options.host = optarg; break;
      case 'a': options.path = optarg; break;
      case 's': options.size = strtoul(optarg, NULL, 10); break;
      case 'c': options.connections = atoi(optarg); break;
      case 'P': options.post = 1; break;
      case 'H': options.hosts = atoi(optarg); break;
      case 'S': options.slow = atoi(optarg); break;
      case 'C': options.cookies = 1; break;
      case 'G': options.greedy = atoi(optarg); break;
      case 'w': options.warmup = atof(optarg); break;
      case 'i': parse_pids(optarg); break;
      case 'd': options.seconds = atof(optarg); break;
      default: exit(2);
    }
  }
  if (options.mode == WEBSOCKET && options.size > MESSAGE_MAX) {
    fprintf(stderr, "messages have at most %d bytes\n", MESSAGE_MAX);
    exit(2);
  }
}

static void open_all(void) {
  int total = options.connections;
  connections = calloc((size_t)total, sizeof *connections);
  for (int i = 0; i < total; i++) {
    struct connection *c = connections[i] = calloc(1, sizeof *c);
    c->kind = i < options.slow ? SLOW : i < options.slow + options.greedy ? GREEDY : SMALL;
    open_connection(c);
    // A burst of thousands would overflow the listen queue.
    while (connecting >= CONNECTING_MAX) poll_until(now_ns() + 1000000u);
  }
}

static void print_result(double seconds, uint64_t cpu) {
  printf("{\"requests\":%lu,\"seconds\":%.6f,\"cpuNs\":%lu,\"bulkBytes\":%lu,\"p50Us\":%lu,\"p99Us\":%lu,\"p999Us\":%lu,"
         "\"handshakes\":%lu,\"resumptions\":%lu,\"cipher\":\"%s\",\"errors\":%lu,\"firstError\":\"%s\"}\n",
         completed, seconds, (unsigned long)cpu, bulk_bytes, percentile_us(0.5), percentile_us(0.99), percentile_us(0.999),
         handshakes, resumptions, cipher, errors, first_error);
  fflush(stdout);
}

// Parks all connections, says so, and holds them until standard input ends.
static void hold_idle(void) {
  uint64_t give_up = now_ns() + 60000000000u;
  while (parked < options.connections && now_ns() < give_up) poll_until(now_ns() + 10000000u);
  if (parked < options.connections) wrong("only %d of %d connections were served", parked, options.connections);
  puts("ready");
  fflush(stdout);
  fcntl(0, F_SETFL, O_NONBLOCK);
  for (char byte; read(0, &byte, 1) != 0;) poll_until(now_ns() + 50000000u);
  print_result(0, 0);
}

int main(int argc, char **argv) {
  signal(SIGPIPE, SIG_IGN);
  struct rlimit files = {65536, 65536};
  setrlimit(RLIMIT_NOFILE, &files);
  parse_options(argc, argv);
  build_request();
  if (options.tls) build_tls();
  target = (struct sockaddr_in){
      .sin_family = AF_INET, .sin_port = htons((uint16_t)options.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  poller = epoll_create1(0);
  open_all();
  if (options.mode == IDLE) {
    hold_idle();
    return errors > 0;
  }
  poll_until(now_ns() + (uint64_t)(options.warmup * 1e9));
  uint64_t cpu = cpu_ns(), start = now_ns();
  measuring = 1;
  poll_until(start + (uint64_t)(options.seconds * 1e9));
  uint64_t end = now_ns();
  print_result((double)(end - start) / 1e9, cpu_ns() - cpu);
  return errors > 0;
}
