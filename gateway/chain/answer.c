/*
 * answer - what plugins say to clients, and what they tell the upstream about who asks.
 */

#include "gateway/chain/chain.h"
#include "gateway/chain/error_page.h"
#include "gateway/chain/grpc_error.h"
#include "gateway/http/token.h"

/* What a head says of the body that is with it (RFC 9110, 8; RFC 9111, 5), and for nothing else. */
static const char *const of_the_body[] = {
    "Content-Type",
    "Content-Encoding",
    "Content-Language",
    "Content-Location",
    "Content-Range",
    "Content-Disposition",
    "Content-MD5",
    "Digest",
    "Accept-Ranges",
    "ETag",
    "Last-Modified",
    "Cache-Control",
    "Expires",
    "Pragma",
    "Age",
    "Trailer",
};

/* In header_filter the head that is there becomes that of another answer. */
static void renew_head(struct chain *chain, int status)
{
    struct exchange_answer *answer = &chain->answer;

    if (!chain->filtering) {
        exchange_answer_init(chain->exchange, answer, status);
        return;
    }
    answer->status = status;
    answer->reason = STR_NONE;
    for (size_t i = 0; i < COUNT(of_the_body); i++)
        (void)headers_remove(&answer->headers, str_of(of_the_body[i]));
}

static void begin_answer(struct chain *chain, int status, struct str content_type, struct str body)
{
    renew_head(chain, status);
    chain->head_length = 0;
    if (content_type.at != NULL && token_is_value(content_type))
        headers_add(&chain->answer.headers, STR("Content-Type"), content_type);
    chain->answer_body = body;
    chain->answered = true;
    chain->request_id_in_body = false;
}

/* For a client that reads no page. */
static enum plugin_result answer_grpc(struct chain *chain, int status, const char *message)
{
    grpc_error(chain->exchange, &chain->answer, status, message);
    chain->answer_body = STR_NONE;
    chain->answered = true;
    chain->request_id_in_body = false;
    return PLUGIN_ANSWERED;
}

enum plugin_result chain_answer_message(struct chain *chain, int status, const char *message)
{
    if (grpc_is_spoken(chain->exchange))
        return answer_grpc(chain, status, message);
    if (message == NULL) {
        begin_answer(chain, status, STR_NONE, STR_NONE);
        return PLUGIN_ANSWERED;
    }
    struct buf json = {0};
    buf_add_text(&json, "{\"message\":");
    error_page_add_json(&json, str_of(message));
    buf_add_byte(&json, '}');
    struct str body = exchange_copy(chain->exchange, buf_str(&json));
    buf_fini(&json);
    begin_answer(chain, status, STR("application/json; charset=utf-8"), body);
    return PLUGIN_ANSWERED;
}

enum plugin_result chain_answer_error(struct chain *chain, int status, const char *message)
{
    const struct headers *headers = &exchange_request(chain->exchange)->headers;
    const struct header *accept = headers_find(headers, STR("Accept"));
    const struct error_page_wish wish = {
        .templates = chain->templates,
        .accept = accept != NULL ? accept->value : STR_NONE,
        .fallback = ERROR_PAGE_JSON,
        .status = status,
        .message = message,
        .request_id = chain->request_id,
    };
    struct str content_type;

    if (grpc_is_spoken(chain->exchange))
        return answer_grpc(chain, status, message);
    struct str body = error_page(chain->exchange, &wish, &content_type);
    begin_answer(chain, status, content_type, body);
    chain->request_id_in_body = true;
    return PLUGIN_ANSWERED;
}

enum plugin_result chain_answer_body(struct chain *chain, int status, struct str content_type,
                                     struct str body)
{
    begin_answer(chain, status, content_type, body);
    return PLUGIN_ANSWERED;
}

/*
 * A client's own line of that name never gets through. Names of consumers may be any text: with a line break
 * in it one would be further headers, or a request, to the upstream.
 */
static void put(struct headers *headers, struct str name, struct str value)
{
    if (value.at != NULL && token_is_value(value))
        headers_set(headers, name, value);
    else
        (void)headers_remove(headers, name);
}

void chain_authenticate(struct chain *chain, const struct consumer *consumer, const void *credential,
                        struct str credential_identifier)
{
    struct headers *headers = &exchange_request(chain->exchange)->headers;
    struct str id = STR_NONE;

    if (consumer != NULL) {
        char text[UUID_TEXT_SIZE];
        id = exchange_copy(chain->exchange, str_of(uuid_format(&consumer->id, text)));
    }
    chain->consumer = consumer;
    chain->credential = credential;
    chain->credential_identifier = credential != NULL ? credential_identifier : STR_NONE;
    put(headers, STR("X-Consumer-ID"), id);
    put(headers, STR("X-Consumer-Username"), consumer != NULL ? str_of(consumer->username) : STR_NONE);
    put(headers, STR("X-Consumer-Custom-ID"), consumer != NULL ? str_of(consumer->custom_id) : STR_NONE);
    put(headers, STR("X-Credential-Identifier"), chain->credential_identifier);
    put(headers, STR("X-Anonymous-Consumer"),
        consumer != NULL && credential == NULL ? STR("true") : STR_NONE);
}
