/* SPDX-License-Identifier: ISC */
#include "server/keyset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "util/log.h"

static void
digest_add_number(struct digest *d, uint64_t number)
{
	digest_add(d, slice_of(&number, sizeof(number)));
}

static void
digest_add_text(struct digest *d, const char *text)
{
	digest_add_number(d, text != NULL);
	if (text != NULL)
		digest_add(d, slice_of(text, strlen(text) + 1));
}

/* What changes when a file is replaced or written to. */
static uint64_t
file_mark(const char *path)
{
	uint8_t out[DIGEST_SIZE];
	struct digest d;
	struct stat st;
	uint64_t mark;

	if (stat(path, &st) == -1)
		return (uint64_t)errno;
	digest_init(&d);
	digest_add_number(&d, st.st_dev);
	digest_add_number(&d, st.st_ino);
	digest_add_number(&d, (uint64_t)st.st_size);
	digest_add(&d, slice_of(&st.st_mtim, sizeof(st.st_mtim)));
	digest_add(&d, slice_of(&st.st_ctim, sizeof(st.st_ctim)));
	digest_end(&d, out);
	memcpy(&mark, out, sizeof(mark));
	return mark;
}

/* False: out of memory. */
static bool
slot_set(struct keyset_slot *s, const struct signer_pair *from)
{
	s->name = strdup(from->name);
	s->crt_path = from->crt_path == NULL ? NULL : strdup(from->crt_path);
	s->key_path = strdup(from->key_path);
	s->cert = cert_copy(from->cert);
	return s->name != NULL && s->key_path != NULL && s->cert != NULL &&
	       (from->crt_path == NULL || s->crt_path != NULL);
}

bool
keyset_init(struct keyset *s, const struct signer_pair *pairs, size_t n,
    const struct tls_settings *settings)
{
	*s = (struct keyset){ .settings = *settings };
	s->pairs = calloc(n + 1, sizeof(*s->pairs));
	s->slots = calloc(n + 1, sizeof(*s->slots));
	if (settings->suites != NULL)
		s->suites = strdup(settings->suites);
	s->settings.suites = s->suites;
	if (s->pairs == NULL || s->slots == NULL ||
	    (settings->suites != NULL && s->suites == NULL))
		return false;
	s->n = n;
	for (size_t i = 0; i < n; i++) {
		struct keyset_slot *to = &s->slots[i];

		if (!slot_set(to, &pairs[i]))
			return false;
		s->pairs[i] = (struct signer_pair){
			.name = to->name,
			.crt_path = to->crt_path,
			.key_path = to->key_path,
			.cert = to->cert,
		};
	}
	return true;
}

void
keyset_fini(struct keyset *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->slots[i].name);
		free(s->slots[i].crt_path);
		free(s->slots[i].key_path);
		cert_free(&s->slots[i].cert);
		free(s->slots[i].fault);
	}
	free(s->slots);
	free(s->pairs);
	free(s->suites);
	*s = (struct keyset){ 0 };
}

void
keyset_digest(const struct keyset *s, struct digest *d)
{
	digest_add_number(d, s->settings.tls13_only);
	digest_add_text(d, s->suites);
	digest_add_number(d, s->n);
	for (size_t i = 0; i < s->n; i++) {
		const struct keyset_slot *slot = &s->slots[i];
		uint8_t chain[CERT_DIGEST_SIZE];

		cert_chain_digest(slot->cert, chain);
		digest_add(d, slice_of(chain, sizeof(chain)));
		digest_add_text(d, slot->name);
		digest_add_text(d, slot->crt_path);
		digest_add_text(d, slot->key_path);
		digest_add_number(d, file_mark(slot->key_path));
	}
}

void
keyset_begin_reading(struct keyset *s)
{
	for (size_t i = 0; i < s->n; i++) {
		s->slots[i].mark = file_mark(s->slots[i].key_path);
		s->slots[i].reported = false;
	}
}

bool
keyset_set_fault(
    struct keyset *s, uint32_t slot, const char *fault, bool *changed)
{
	struct keyset_slot *to;

	if (slot >= s->n)
		return false;
	to = &s->slots[slot];
	to->reported = true;
	*changed = to->fault == NULL || strcmp(to->fault, fault) != 0;
	if (!*changed)
		return true;
	free(to->fault);
	to->fault = strdup(fault);
	return to->fault != NULL;
}

void
keyset_end_reading(struct keyset *s)
{
	for (size_t i = 0; i < s->n; i++) {
		struct keyset_slot *slot = &s->slots[i];

		if (slot->fault == NULL || slot->reported)
			continue;
		log_info("%s: the private key can be used again", slot->name);
		free(slot->fault);
		slot->fault = NULL;
	}
}

bool
keyset_is_usable(const struct keyset *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->slots[i].fault != NULL)
			return false;
	return true;
}

bool
keyset_has_changed(const struct keyset *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->slots[i].fault != NULL &&
		    file_mark(s->slots[i].key_path) != s->slots[i].mark)
			return true;
	return false;
}
