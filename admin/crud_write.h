#pragma once

/*
 * crud_write - the jobs that change entities. Each is one transaction; the answer waits until this node has
 * applied the change, so whoever got it finds it in force here.
 *
 * Threads: store jobs.
 */

struct request;
struct store_session;

void crud_write_create(struct store_session *session, struct request *request);
void crud_write_put(struct store_session *session, struct request *request);
void crud_write_patch(struct store_session *session, struct request *request);
void crud_write_delete(struct store_session *session, struct request *request);
