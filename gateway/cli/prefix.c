/*
 * prefix - the node's own directory. A lock on the pid file says whether a node runs: it goes with the
 * process, however that ends, so nothing here has to guess from numbers.
 */

#include "gateway/cli/prefix.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/mem.h"

static const char pid_file[] = "pids/freshet.pid";

enum {
    SMALL_FILE_MAX = 64 << 10,
    PID_TEXT_MAX = 32
};

/* mkdir -p */
static bool make_directory(const char *path, struct err *err)
{
    char *copy = mem_strdup(path);
    bool ok = true;
    for (char *at = copy + 1; ok; at++) {
        if (*at != '/' && *at != '\0')
            continue;
        char end = *at;
        *at = '\0';
        if (mkdir(copy, 0755) != 0 && errno != EEXIST)
            ok = err_set(err, ERR_IO, "cannot make directory %s: %s", copy, strerror(errno));
        *at = end;
        if (end == '\0')
            break;
    }
    free(copy);
    return ok;
}

char *prefix_path(const char *prefix, const char *name)
{
    return mem_printf("%s/%s", prefix, name);
}

bool prefix_exists(const char *prefix)
{
    struct stat status;
    return stat(prefix, &status) == 0 && S_ISDIR(status.st_mode);
}

bool prefix_prepare(const char *prefix, struct err *err)
{
    static const char *const directories[] = {"pids", "logs", "ssl"};
    for (size_t i = 0; i < COUNT(directories); i++) {
        char *path = prefix_path(prefix, directories[i]);
        bool ok = make_directory(path, err);
        free(path);
        if (!ok)
            return false;
    }
    return true;
}

bool prefix_lock(const char *prefix, int *lock, struct err *err)
{
    char *path = prefix_path(prefix, pid_file);
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    bool ok = file >= 0 || err_set(err, ERR_IO, "cannot open %s: %s", path, strerror(errno));
    free(path);
    if (!ok)
        return false;
    if (flock(file, LOCK_EX | LOCK_NB) != 0) {
        close(file);
        return err_set(err, ERR_CONFLICT, "Freshet is already running in %s", prefix);
    }
    *lock = file;
    return true;
}

bool prefix_write_pid(int lock, struct err *err)
{
    char text[PID_TEXT_MAX];
    int len = snprintf(text, sizeof(text), "%d\n", (int)getpid());
    if (ftruncate(lock, 0) != 0 || pwrite(lock, text, (size_t)len, 0) != len)
        return err_set(err, ERR_IO, "cannot write the pid file: %s", strerror(errno));
    return true;
}

pid_t prefix_running(const char *prefix)
{
    char *path = prefix_path(prefix, pid_file);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    free(path);
    if (file < 0)
        return 0;
    pid_t pid = 0;
    /* A lock that can be had means that nobody holds it. */
    if (flock(file, LOCK_SH | LOCK_NB) != 0) {
        char text[PID_TEXT_MAX] = "";
        int64_t number;
        ssize_t len = pread(file, text, sizeof(text) - 1, 0);
        if (len > 0 && str_to_int(str_trim((struct str){text, strcspn(text, "\n")}), &number) && number > 1)
            pid = (pid_t)number;
    }
    close(file);
    return pid;
}

bool prefix_write(const char *prefix, const char *name, const char *text, struct err *err)
{
    char *path = prefix_path(prefix, name);
    char *draft = mem_printf("%s.new", path);
    FILE *file = fopen(draft, "we");
    bool ok = file != NULL && fputs(text, file) >= 0;
    if (file != NULL && fclose(file) != 0)
        ok = false;
    ok = ok && rename(draft, path) == 0;
    if (!ok)
        err_set(err, ERR_IO, "cannot write %s: %s", path, strerror(errno));
    free(draft);
    free(path);
    return ok;
}

char *prefix_read(const char *prefix, const char *name)
{
    char *path = prefix_path(prefix, name);
    FILE *file = fopen(path, "re");
    free(path);
    if (file == NULL)
        return NULL;
    char *text = mem_alloc(SMALL_FILE_MAX + 1);
    size_t len = fread(text, 1, SMALL_FILE_MAX, file);
    text[len] = '\0';
    (void)fclose(file); /* it was only read */
    return text;
}

bool prefix_node_id(const char *prefix, const char *wanted, struct uuid *id, struct err *err)
{
    if (wanted != NULL)
        return uuid_from_str(str_of(wanted), id) ||
               err_set(err, ERR_INVALID, "node_id '%s' is not a UUID", wanted);
    char *kept = prefix_read(prefix, "node_id");
    bool known = kept != NULL && uuid_from_str(str_trim((struct str){kept, strcspn(kept, "\n")}), id);
    free(kept);
    if (known)
        return true;
    char text[UUID_TEXT_SIZE];
    uuid_make(id);
    return prefix_write(prefix, "node_id", uuid_format(id, text), err);
}
