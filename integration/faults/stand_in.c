/* A container runtime as small as can be, for thousands of calls: create, run, restore, update, state and delete.
 *
 * What cgshim sees of runc is here: ROOT/ID/state.json with init_process_pid, a cgroup in each v1 hierarchy and in
 * cgroup2, memory.limit and pids.limit of config.json set there, `unified` refused as runc does on v1, errors in the
 * --log file. It reads JSON by looking for keys, which is enough for the configurations that the harness writes.
 *
 * STAND_IN_IGNORES=pids in the environment: it says that it has set pids.limit, and has not.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define V1 "/sys/fs/cgroup"
static const char *const hierarchies[] = {"memory", "pids", "cpu", "unified", NULL};

static const char *root = "/run/stand-in", *log_file = "", *bundle = ".", *id = "", *pid_file = "", *resources = "";

static void fail(const char *form, ...) {
    char text[512];
    va_list values;
    va_start(values, form);
    vsnprintf(text, sizeof text, form, values);
    va_end(values);
    FILE *log = *log_file ? fopen(log_file, "a") : NULL;
    if (log) {
        fprintf(log, "{\"level\":\"error\",\"msg\":\"runc: %s\",\"time\":\"2026-01-01T00:00:00Z\"}\n", text);
        fclose(log);
    }
    fprintf(stderr, "runc: %s\n", text);
    exit(1);
}

static char *path_of(const char *form, const char *one, const char *two) {
    char *text = NULL;
    if (asprintf(&text, form, one, two) < 0)
        exit(1);
    return text;
}

static char *content(const char *path) {
    int file = open(path, O_RDONLY);
    if (file < 0)
        fail("open %s: %s", path, strerror(errno));
    size_t size = 0, most = 1 << 16;
    char *text = malloc(most + 1);
    for (ssize_t got; (got = read(file, text + size, most - size)) > 0;) {
        size += (size_t)got;
        if (size == most)
            text = realloc(text, (most *= 2) + 1);
    }
    close(file);
    text[size] = 0;
    return text;
}

/* The number of `"limit"` behind the key, -1 without one. */
static long long limit_of(const char *text, const char *key) {
    const char *found = strstr(text, key);
    found = found ? strstr(found, "\"limit\"") : NULL;
    found = found ? strchr(found, ':') : NULL;
    return found ? atoll(found + 1) : -1;
}

static void put(const char *path, const char *text) {
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (file < 0 || write(file, text, strlen(text)) != (ssize_t)strlen(text))
        fail("write %s: %s", path, strerror(errno));
    close(file);
}

static void put_number(const char *path, long long number) {
    char text[32];
    snprintf(text, sizeof text, "%lld", number);
    put(path, text);
}

static void limit(const char *text) {
    const char *ignored = getenv("STAND_IN_IGNORES");
    long long memory = limit_of(text, "\"memory\""), pids = limit_of(text, "\"pids\"");
    if (strstr(text, "\"unified\""))
        fail("invalid configuration: cannot use unified on cgroup v1");
    if (memory > 0)
        put_number(path_of(V1 "/memory/%s/%s", id, "memory.limit_in_bytes"), memory);
    if (pids > 0 && !(ignored && !strcmp(ignored, "pids")))
        put_number(path_of(V1 "/pids/%s/%s", id, "pids.max"), pids);
}

static int go = -1;

/* The container's process: it outlives this one only if `go` was said, as runc's does. */
static pid_t start(void) {
    int line[2];
    if (pipe(line))
        fail("pipe: %s", strerror(errno));
    pid_t child = fork();
    if (child == 0) {
        char word;
        close(line[1]);
        if (read(line[0], &word, 1) != 1)
            _exit(1);
        for (int number = 0; number < 1024; number++)
            close(number);
        pause();
        _exit(0);
    }
    close(line[0]);
    go = line[1];
    for (int at = 0; hierarchies[at]; at++) {
        char *directory = path_of(V1 "/%s/%s", hierarchies[at], id);
        if (access(path_of(V1 "/%s%s", hierarchies[at], ""), F_OK))
            continue;
        if (mkdir(directory, 0755) && errno != EEXIST)
            fail("mkdir %s: %s", directory, strerror(errno));
        put_number(path_of("%s/%s", directory, "cgroup.procs"), child);
    }
    return child;
}

static void end(void) {
    char *directory = path_of("%s/%s", root, id), *state = path_of("%s/%s", directory, "state.json");
    if (access(state, F_OK) == 0) {
        char *found = strstr(content(state), "\"init_process_pid\":");
        pid_t child = found ? atoi(found + strlen("\"init_process_pid\":")) : 0;
        if (child > 1)
            kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    for (int at = 0; hierarchies[at]; at++)
        for (int tries = 0; tries < 500 && rmdir(path_of(V1 "/%s/%s", hierarchies[at], id)) && errno == EBUSY; tries++)
            usleep(1000);
    unlink(state);
    rmdir(directory);
}

static void create(void) {
    char *directory = path_of("%s/%s", root, id), *text = content(path_of("%s/%s", bundle, "config.json"));
    if (strstr(text, "\"unified\""))
        fail("invalid configuration: cannot use unified on cgroup v1");
    if (mkdir(directory, 0711))
        fail("container with id exists: %s", id);
    pid_t child = start();
    char state[256];
    snprintf(state, sizeof state, "{\"id\":\"%s\",\"init_process_pid\":%d,\"config\":{\"labels\":[]}}", id, child);
    put(path_of("%s/%s", directory, "state.json"), state);
    limit(text);
    if (*pid_file)
        put_number(pid_file, child);
    if (write(go, "g", 1) != 1)
        fail("the container's process is gone");
}

int main(int count, char **words) {
    const char *command = "";
    for (int at = 1; at < count; at++) {
        const char **value = NULL;
        const struct { const char *name; const char **place; } known[] = {
            {"--root", &root}, {"--log", &log_file}, {"--log-format", (const char *[]){""}}, {"--bundle", &bundle},
            {"-b", &bundle}, {"--pid-file", &pid_file}, {"--resources", &resources}, {"-r", &resources},
        };
        for (size_t each = 0; each < sizeof known / sizeof *known; each++)
            if (!strcmp(words[at], known[each].name))
                value = known[each].place;
        if (value && at + 1 < count)
            *value = words[++at];
        else if (words[at][0] != '-' && !*command)
            command = words[at];
        else if (words[at][0] != '-')
            id = words[at];
    }
    if (!strcmp(command, "create") || !strcmp(command, "restore")) {
        create();
    } else if (!strcmp(command, "run")) {
        create();
        char *applied = content(path_of(V1 "/pids/%s/%s", id, "pids.max"));
        put(path_of("%s/../applied%s", root, ""), applied);
        end();
    } else if (!strcmp(command, "update")) {
        limit(content(resources));
    } else if (!strcmp(command, "delete")) {
        end();
    } else if (!strcmp(command, "state")) {
        puts(content(path_of("%s/%s/state.json", root, id)));
    } else {
        fail("no such command: %s", command);
    }
    return 0;
}
