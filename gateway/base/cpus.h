#pragma once

/*
 * cpus - how many processors this process may use: those its affinity allows, and no more than the time that
 * its control group is given (cgroup v2, cpu.max), rounded up. A machine's own number is of no use in a
 * container.
 *
 * Threads: at the start; reads a file.
 */

/* At least 1. */
int cpus_usable(void);
/* Of the text of a cpu.max, "max 100000" or "150000 100000"; 0: it sets no limit, or says something else. */
int cpus_of_quota(const char *text);
