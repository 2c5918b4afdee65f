#include "signals.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "mem.h"
#include "wake.h"

static const int ignored[] = {SIGPIPE, SIGXFSZ, SIGUSR1, SIGUSR2,   SIGALRM,
                              SIGPROF, SIGIO,   SIGPWR,  SIGVTALRM, SIGSTKFLT};

static struct {
    sigset_t taken;
    struct wake end; /* set once the program has to end; never cleared */
    pthread_mutex_t lock;
    bool in_order;
    int exit_code;
    void (*reload)(void *user); /* NULL: nothing can be reloaded */
    void *reload_user;
    bool reloading;
    pthread_cond_t reloaded;
} signals = {.lock = PTHREAD_MUTEX_INITIALIZER, .reloaded = PTHREAD_COND_INITIALIZER};

static void end_program(int number)
{
    log_event(LOG_INFO, "stopping", "signal", strsignal(number), NULL);
    pthread_mutex_lock(&signals.lock);
    if (!signals.in_order) {
        _exit(
            signals.exit_code); /* under the lock, so that in_order cannot become true meanwhile */
    }
    wake_set(&signals.end);
    pthread_mutex_unlock(&signals.lock);
}

/* Without the lock: the function takes locks of its own. */
static bool call_reload(void)
{
    pthread_mutex_lock(&signals.lock);
    void (*function)(void *user) = signals.reload;
    void *user = signals.reload_user;
    signals.reloading = function != NULL;
    pthread_mutex_unlock(&signals.lock);
    if (function == NULL) {
        return false;
    }
    function(user);
    pthread_mutex_lock(&signals.lock);
    signals.reloading = false;
    pthread_cond_broadcast(&signals.reloaded);
    pthread_mutex_unlock(&signals.lock);
    return true;
}

static void reload(void)
{
    bool any = call_reload();
    log_event(LOG_INFO, "reloaded", "what",
              any ? "files are read again, logs are opened again" : "nothing", NULL);
}

void signals_on_reload(void (*function)(void *user), void *user)
{
    pthread_mutex_lock(&signals.lock);
    while (signals.reloading) {
        pthread_cond_wait(&signals.reloaded, &signals.lock);
    }
    signals.reload = function;
    signals.reload_user = user;
    pthread_mutex_unlock(&signals.lock);
}

static void *run(void *argument)
{
    (void)argument;
    for (;;) {
        int number = 0;
        sigwait(&signals.taken, &number);
        if (number == SIGHUP) {
            reload();
        } else if (!signals_ending()) {
            end_program(number);
        }
    }
    return NULL;
}

static void ignore_others(void)
{
    for (size_t i = 0; i < COUNT_OF(ignored); i++) {
        signal(ignored[i], SIG_IGN);
    }
    for (int number = SIGRTMIN; number <= SIGRTMAX; number++) {
        signal(number, SIG_IGN);
    }
}

void signals_start(int exit_code)
{
    static pthread_t thread;
    signals.exit_code = exit_code;
    wake_init(&signals.end);
    ignore_others();
    sigemptyset(&signals.taken);
    sigaddset(&signals.taken, SIGTERM);
    sigaddset(&signals.taken, SIGINT);
    sigaddset(&signals.taken, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals.taken, NULL);
    int failed = pthread_create(&thread, NULL, run, NULL);
    assert(failed == 0 && "a thread can be had at start");
    pthread_detach(thread);
}

void signals_end_in_order(bool on)
{
    pthread_mutex_lock(&signals.lock);
    signals.in_order = on;
    pthread_mutex_unlock(&signals.lock);
}

int signals_end_fd(void)
{
    return signals.end.fd;
}

bool signals_ending(void)
{
    return atomic_load(&signals.end.set);
}
