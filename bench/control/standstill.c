// Tells when a core stands still: a thread with real-time priority, which everything else makes way for, asks for a
// millisecond of sleep and is woken much later. Then a hypervisor has taken the core away, and no program can do anything
// about it. One line for each: begin and end in milliseconds of CLOCK_MONOTONIC. Ends with its standard output.
//
// Usage: standstill CORE. Exits with 1 where it may not have the priority.

#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <signal.h>
#include <time.h>

static const double LATE_MS = 1;

static double now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(atoi(argv[1]), &cores);
  const struct sched_param priority = {.sched_priority = 50};
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (sched_setaffinity(0, sizeof cores, &cores) != 0 || sched_setscheduler(0, SCHED_FIFO, &priority) != 0) {
    perror("standstill");
    return 1;
  }
  const struct timespec pause = {0, 1000000};
  for (;;) {
    const double before = now_ms();
    clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
    const double after = now_ms();
    if (after - before < 1 + LATE_MS) continue;
    if (printf("%.3f %.3f\n", before + 1, after) < 0 || fflush(stdout) != 0) return 0;
  }
}
