/* cpus - see cpus.h. */

#include "gateway/base/cpus.h"

#include <inttypes.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    MOST = 4096
};

int cpus_of_quota(const char *text)
{
    int64_t quota_us, period_us;

    if (sscanf(text, "%" SCNd64 " %" SCNd64, &quota_us, &period_us) != 2 || quota_us <= 0 || period_us <= 0)
        return 0;
    int64_t count = quota_us / period_us + (quota_us % period_us > 0 ? 1 : 0);
    return count < MOST ? (int)count : MOST;
}

/* A line of a file; false: there is none. */
static bool read_line(const char *name, char *line, int size)
{
    FILE *file = fopen(name, "re");

    if (file == NULL)
        return false;
    bool ok = fgets(line, size, file) != NULL;
    (void)fclose(file); /* read only */
    return ok;
}

/*
 * A process is in the root of its namespace, where the file is that of its own group, or somewhere below,
 * which /proc/self/cgroup says: "0::/some/where".
 */
static int quota(void)
{
    char line[4096], name[4200];

    if (read_line("/proc/self/cgroup", line, sizeof(line)) && strncmp(line, "0::", 3) == 0) {
        line[strcspn(line, "\n")] = '\0';
        (void)snprintf(name, sizeof(name), "/sys/fs/cgroup%s/cpu.max", line + 3);
        if (read_line(name, line, sizeof(line)))
            return cpus_of_quota(line);
    }
    return 0;
}

int cpus_usable(void)
{
    cpu_set_t set;
    long count =
        sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : sysconf(_SC_NPROCESSORS_ONLN);
    int limit = quota();

    if (limit > 0 && limit < count)
        count = limit;
    return count > 0 ? (int)count : 1;
}
