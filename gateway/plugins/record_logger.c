/* record_logger - see record_logger.h. */

#include "gateway/plugins/record_logger.h"

#include <stdlib.h>

#include "gateway/base/mem.h"
#include "gateway/chain/chain.h"
#include "gateway/chain/delivery_queue.h"
#include "gateway/chain/log_record.h"

struct record_logger {
    struct delivery_queue *queue;
};

void *record_logger_new(const struct delivery_options *options)
{
    struct record_logger *logger = mem_zalloc(sizeof(*logger));

    logger->queue = delivery_queue_new(options);
    return logger;
}

void record_logger_dispose(void *object)
{
    struct record_logger *logger = object;

    delivery_queue_let_go(logger->queue);
    free(logger);
}

void record_logger_log(struct chain *chain, const void *object)
{
    const struct record_logger *logger = object;

    delivery_queue_add(logger->queue, chain->world->delivery, log_record(chain));
}
