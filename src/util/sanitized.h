/* SPDX-License-Identifier: ISC */
/* Whether this program was built with AddressSanitizer, which watches memory and
 * calls the system on its own. Depends on nothing. */
#ifndef UTIL_SANITIZED_H
#define UTIL_SANITIZED_H

#ifdef __SANITIZE_ADDRESS__ /* gcc */
#define SANITIZED 1
#elif defined(__has_feature) /* clang */
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#endif
