/*
 * corpus_main - runs a fuzz entry over its corpus as an ordinary test.
 *
 * usage: fuzz_<parser> DIRECTORY|FILE ...
 */

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_count;

static void run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data;
    size_t size;

    if (file == NULL)
        return;
    data = malloc(1 << 20);
    if (data != NULL) {
        size = fread(data, 1, 1 << 20, file);
        (void)LLVMFuzzerTestOneInput(data, size);
        run_count++;
    }
    free(data);
    (void)fclose(file);
}

static void run_directory(const char *path)
{
    DIR *directory = opendir(path);
    const struct dirent *entry;
    char name[4096];

    if (directory == NULL)
        return;
    while ((entry = readdir(directory)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        if (snprintf(name, sizeof(name), "%s/%s", path, entry->d_name) < (int)sizeof(name))
            run_file(name);
    }
    (void)closedir(directory);
}

int main(int argc, char **argv)
{
    struct stat info;

    for (int i = 1; i < argc; i++) {
        if (stat(argv[i], &info) != 0)
            continue;
        if (S_ISDIR(info.st_mode))
            run_directory(argv[i]);
        else
            run_file(argv[i]);
    }
    printf("%d inputs, no finding\n", run_count);
    return run_count > 0 ? 0 : 1;
}
