/* library: gateway_config */

/*
 * The settings file: whatever is in it, loading ends with a config or with problems.
 */

#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[] = "/tmp/freshet-fuzz-settings-XXXXXX";
    int file = mkstemp(path);
    if (file < 0 || write(file, data, size) != (ssize_t)size)
        abort();
    close(file);
    struct config *config = NULL;
    struct config_problems problems;
    if (config_load(path, NULL, &config, &problems)) {
        for (size_t i = 0; i < config_key_count; i++)
            free(config_show(config, &config_keys[i]));
        config_free(config);
    } else {
        config_problems_fini(&problems);
    }
    unlink(path);
    return 0;
}
