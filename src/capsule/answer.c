/* SPDX-License-Identifier: ISC */
#include "capsule/answer.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

void
answer_init(struct answer *a)
{
	a->status = STATUS_NONE;
	buf_wrap(&a->meta, a->meta_bytes, sizeof(a->meta_bytes));
	a->host = NULL;
	a->uri = (struct uri){ .port = -1 };
	a->path.decoded_len = 0;
	a->path.decoded[0] = '\0';
	a->path.encoded_len = 0;
	a->path.encoded[0] = '\0';
	a->fd = -1;
	a->size = 0;
	a->listing = NULL;
}

enum status
answer_refuse(struct answer *a, enum status status, const char *why)
{
	buf_reset(&a->meta);
	if (why == NULL || !buf_str(&a->meta, why)) {
		buf_reset(&a->meta);
		buf_str(&a->meta, status_text(status));
	}
	a->status = status;
	return status;
}

/* 53, with the names that would have been right: an operator whose host name is
 * misspelt somewhere finds out here. */
static enum status
answer_refuse_host(struct answer *a, const struct hosts *hosts)
{
	buf_reset(&a->meta);
	if (hosts->n == 0 || !buf_str(&a->meta, "hosts served here: ") ||
	    !buf_str(&a->meta, hosts->known))
		return answer_refuse(a, STATUS_PROXY_REFUSED, NULL);
	a->status = STATUS_PROXY_REFUSED;
	return a->status;
}

static enum status
answer_refuse_port(struct answer *a, const struct hosts *hosts, unsigned port)
{
	buf_reset(&a->meta);
	if (!buf_printf(
		&a->meta, "port %u; hosts served here: %s", port, hosts->known))
		return answer_refuse(a, STATUS_PROXY_REFUSED, NULL);
	a->status = STATUS_PROXY_REFUSED;
	return a->status;
}

/* Which capsule, or the refusal. Without SNI, which clients leave out for
 * an address (RFC 6066 3), or with an unknown one, the URL's host decides
 * alone. */
static enum status
answer_route_host(struct answer *a, const struct hosts *hosts,
    const struct answer_origin *origin)
{
	int index = hosts_find_raw(hosts, a->uri.host);

	if (index < 0 || (origin->sni >= 0 && origin->sni != index))
		return answer_refuse_host(a, hosts);
	a->host = &hosts->host[index];
	if (a->host->root == -1)
		return answer_refuse(a, STATUS_UNAVAILABLE,
		    "this capsule cannot be served at present");
	if (a->uri.port >= 0 && origin->port != 0 &&
	    (unsigned)a->uri.port != origin->port)
		return answer_refuse_port(a, hosts, origin->port);
	return STATUS_NONE;
}

static enum status
answer_route_path(struct answer *a)
{
	switch (uri_path_normalise(a->uri.path, &a->path)) {
	case URI_PATH_OK:
		break;
	case URI_PATH_ABOVE_ROOT:
		return answer_refuse(
		    a, STATUS_BAD_REQUEST, "the path climbs above the root");
	case URI_PATH_IMPOSSIBLE:
		return answer_refuse(a, STATUS_NOT_FOUND, NULL);
	}
	buf_reset(&a->meta);
	a->status = policy_decide(a->host, &a->path, &a->uri, &a->meta);
	return a->status;
}

enum status
answer_route(struct answer *a, const struct hosts *hosts,
    const struct answer_origin *origin, struct slice line)
{
	const char *why = NULL;
	enum status status;

	switch (uri_parse(line, &a->uri, &why)) {
	case URI_OK:
		break;
	case URI_BAD:
		return answer_refuse(a, STATUS_BAD_REQUEST, why);
	case URI_OTHER_SCHEME:
		return answer_refuse(a, STATUS_PROXY_REFUSED,
		    "only gemini URLs are answered, none is proxied");
	}
	status = answer_route_host(a, hosts, origin);
	return status != STATUS_NONE ? status : answer_route_path(a);
}

/* META of a body of some type at path, which begins with '/'. False when it is
 * too long. */
static bool
answer_put_type(struct answer *a, const char *path, struct slice type)
{
	buf_reset(&a->meta);
	return response_type(&a->meta, type, policy_lang(a->host, path),
	    policy_charset(a->host, path));
}

static enum status
answer_serve_found(struct answer *a, uint64_t size)
{
	a->size = size;
	a->status = STATUS_SUCCESS;
	return a->status;
}

static enum status
answer_serve_file(struct answer *a, struct mime *mime,
    const struct resolution *found, const char *path)
{
	struct slice type = found->type != NULL ? slice_str(found->type)
						: policy_type(a->host, path);

	if (type.len == 0)
		type = mime_type(mime, path, found->fd, &found->st);
	if (!answer_put_type(a, path, type)) {
		close(found->fd);
		return answer_refuse(a, STATUS_TEMPORARY_FAILURE, NULL);
	}
	a->fd = found->fd;
	return answer_serve_found(a, (uint64_t)found->st.st_size);
}

static enum status
answer_serve_listing(struct answer *a, struct listings *listings,
    const struct resolution *found, const char *path)
{
	struct listing *page = NULL;
	bool too_many = false;

	if (answer_put_type(a, path, SLICE("text/gemini"))) {
		page = listing_get(
		    listings, a->host, found->path, found->fd, &found->st);
		too_many = page == NULL && errno == EFBIG;
	}
	close(found->fd);
	if (page == NULL)
		return answer_refuse(a,
		    too_many ? STATUS_NOT_FOUND : STATUS_TEMPORARY_FAILURE,
		    NULL);
	a->listing = page;
	return answer_serve_found(a, page->body.len);
}

/* To the same path with its slash, so that relative links work: encoded as it
 * came, the query kept. A path, not a URL, so that it is right with port
 * forwarding, too. */
static enum status
answer_redirect_slash(struct answer *a)
{
	struct slice path = slice_of(a->path.encoded, a->path.encoded_len);

	buf_reset(&a->meta);
	if (path.len == 0 || !buf_put(&a->meta, path) ||
	    !buf_byte(&a->meta, '/') ||
	    (a->uri.has_query &&
		(!buf_byte(&a->meta, '?') ||
		    !uri_encode_query(&a->meta, a->uri.query))))
		return answer_refuse(a, STATUS_NOT_FOUND, NULL);
	a->status = STATUS_REDIRECT_PERMANENT;
	return a->status;
}

enum status
answer_open(struct answer *a, struct mime *mime, struct listings *listings)
{
	struct resolution found;
	char path[sizeof(found.path) + 1];
	enum resolved result;

	assert(a->status == STATUS_NONE && a->host != NULL);
	result = resolve(a->host, &a->path, &found);
	path[0] = '/';
	memcpy(path + 1, found.path, strlen(found.path) + 1);
	switch (result) {
	case RESOLVED_FILE:
		return answer_serve_file(a, mime, &found, path);
	case RESOLVED_LISTING:
		return answer_serve_listing(a, listings, &found, path);
	case RESOLVED_SLASH:
		return answer_redirect_slash(a);
	case RESOLVED_ABSENT:
		break;
	case RESOLVED_EXHAUSTED:
	case RESOLVED_FAILED:
		return answer_refuse(a, STATUS_TEMPORARY_FAILURE, NULL);
	}
	return answer_refuse(a, STATUS_NOT_FOUND, NULL);
}

/* What a request for path is answered with; a path that it is redirected to in
 * the same capsule goes to meta. */
static enum status
front_ask(const struct host *h, const struct uri_path *path, struct buf *meta)
{
	const struct uri uri = { .port = -1 };
	struct resolution found;
	enum status status = policy_decide(h, path, &uri, meta);

	if (status != STATUS_NONE)
		return status;
	switch (resolve(h, path, &found)) {
	case RESOLVED_FILE:
	case RESOLVED_LISTING:
		close(found.fd);
		return STATUS_SUCCESS;
	case RESOLVED_SLASH:
		buf_put(meta, slice_of(path->encoded, path->encoded_len));
		buf_byte(meta, '/');
		return STATUS_REDIRECT_PERMANENT;
	case RESOLVED_ABSENT:
		return STATUS_NOT_FOUND;
	case RESOLVED_EXHAUSTED:
	case RESOLVED_FAILED:
		break;
	}
	return STATUS_TEMPORARY_FAILURE;
}

bool
answer_lacks_front(const struct host *h, enum status *status)
{
	uint8_t memory[RESPONSE_META_MAX];
	struct slice target, query;
	struct uri_path path;
	struct buf meta;

	*status = STATUS_REDIRECT;
	target = SLICE("/");
	for (int i = 0;
	     i <= STATUS_REDIRECTS_MAX && status_is_redirect(*status) &&
	     slice_starts(target, SLICE("/"));
	     i++) {
		if (uri_path_normalise(target, &path) != URI_PATH_OK)
			break;
		buf_wrap(&meta, memory, sizeof(memory));
		*status = front_ask(h, &path, &meta);
		slice_cut(buf_view(&meta), '?', &target, &query);
	}
	return *status == STATUS_NOT_FOUND || *status == STATUS_GONE;
}
