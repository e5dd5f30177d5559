/* SPDX-License-Identifier: Apache-2.0 */
/* Preloaded into a broker, it makes a name server slow: a name that begins with "slow" is 127.0.0.1, after five seconds. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **out_list)
{
    __typeof__(&getaddrinfo) real = (__typeof__(&getaddrinfo))dlsym(RTLD_NEXT, "getaddrinfo");
    if (host == NULL || strncmp(host, "slow", 4) != 0)
        return real(host, service, hints, out_list);
    if (hints != NULL && (hints->ai_flags & AI_NUMERICHOST) != 0)
        return EAI_NONAME;
    sleep(5);
    return real("127.0.0.1", service, hints, out_list);
}
