/* Shifts the wall clock of a process by CLOCK_OFFSET_SECONDS: `LD_PRELOAD=shifted_clock.so program`.

   Only CLOCK_REALTIME changes. CLOCK_MONOTONIC, and with it sleeping and waiting, stays as it is. Waits until a time on
   the wall clock (sem_timedwait and pthread_mutex_timedlock, which semaphores of multiprocessing use) get the time that
   the kernel understands. The times of files are those of the kernel, as with a file server. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

static long read_offset(void) {
    static int is_read;
    static long seconds;
    if (!is_read) {
        const char *text = getenv("CLOCK_OFFSET_SECONDS");
        seconds = text ? atol(text) : 0;
        is_read = 1;
    }
    return seconds;
}

/* A look-up may happen several times at once: all of them find the same function. */
#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

int clock_gettime(clockid_t clock, struct timespec *now) {
    REAL(clock_gettime);
    int result = real(clock, now);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += read_offset();
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    REAL(gettimeofday);
    int result = real(now, zone);
    if (result == 0) now->tv_sec += read_offset();
    return result;
}

time_t time(time_t *now) {
    REAL(time);
    time_t result = real(NULL) + read_offset();
    if (now) *now = result;
    return result;
}

int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict until) {
    REAL(sem_timedwait);
    struct timespec shifted = {until->tv_sec - read_offset(), until->tv_nsec};
    return real(semaphore, &shifted);
}

int pthread_mutex_timedlock(pthread_mutex_t *restrict mutex, const struct timespec *restrict until) {
    REAL(pthread_mutex_timedlock);
    struct timespec shifted = {until->tv_sec - read_offset(), until->tv_nsec};
    return real(mutex, &shifted);
}
