/* Stands in for a runtime: writes down all that a process inherits, a fact a line, to the file that is named by what
 * stands beside it: PROGRAM.facts. Compiled without a runtime of its own that would change any of it. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

static void signals(FILE *out)
{
    char line[4096];
    FILE *status = fopen("/proc/self/status", "re");
    while (fgets(line, sizeof line, status))
        if (!strncmp(line, "Sig", 3) || !strncmp(line, "Cap", 3) || !strncmp(line, "NoNewPrivs", 10))
            if (strncmp(line, "SigQ", 4) && strncmp(line, "SigPnd", 6))
                fprintf(out, "%s", line);
    fclose(status);
}

static void descriptors(FILE *out)
{
    for (int fd = 0; fd < 1024; fd++) {
        int flags = fcntl(fd, F_GETFD);
        if (flags < 0 || fd == fileno(out))
            continue;
        char path[64], target[PATH_MAX] = "";
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        if (readlink(path, target, sizeof target - 1) < 0)
            strcpy(target, "?");
        char *colon = strchr(target, ':'); /* pipes have another number in every run */
        if (colon)
            *colon = 0;
        fprintf(out, "descriptor %d %s flags %d status %o\n", fd, target, flags, fcntl(fd, F_GETFL));
    }
}

static void limits(FILE *out)
{
    for (int name = 0; name < RLIM_NLIMITS; name++) {
        struct rlimit value;
        getrlimit(name, &value);
        fprintf(out, "limit %d %llu %llu\n", name, (unsigned long long)value.rlim_cur, (unsigned long long)value.rlim_max);
    }
}

int main(int count, char **words)
{
    char path[PATH_MAX], cwd[PATH_MAX] = "";
    snprintf(path, sizeof path, "%s.facts", words[0]);
    mode_t mask = umask(0);
    int handle = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FILE *out = fdopen(fcntl(handle, F_DUPFD_CLOEXEC, 700), "w");
    close(handle);
    for (int i = 0; i < count; i++)
        fprintf(out, "argument %s\n", words[i]);
    for (char **entry = environ; *entry; entry++)
        fprintf(out, "environment %s\n", *entry);
    descriptors(out);
    fprintf(out, "directory %s\n", getcwd(cwd, sizeof cwd) ? cwd : "?");
    fprintf(out, "umask %o\n", mask);
    signals(out);
    limits(out);
    gid_t groups[64];
    int number = getgroups(64, groups);
    for (int i = 0; i < number; i++)
        fprintf(out, "group %u\n", groups[i]);
    fprintf(out, "ids %u %u %u %u\n", getuid(), geteuid(), getgid(), getegid());
    fprintf(out, "nice %d\n", getpriority(PRIO_PROCESS, 0));
    fprintf(out, "process group %d session %d\n", getpgrp(), getsid(0));
    fprintf(out, "dumpable %d subreaper unset\n", prctl(PR_GET_DUMPABLE));
    fclose(out);
    return 0;
}
