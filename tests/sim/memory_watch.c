/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/memory_watch.h"

#include <string.h>

#include "base/memory.h"
#include "sim/sim.h"

/* In front of each block. */
struct head {
    int64_t size;
    int64_t process; /* whose it is; 0: the world's */
};
_Static_assert(sizeof(struct head) == 16, "blocks stay aligned");

enum { PROCESSES_MOST = 1 << 16 };
static int64_t counts[PROCESSES_MOST], sizes[PROCESSES_MOST];

/* What the linker puts in the place of memory_take() and the others, and what those were. */
void *__real_memory_take(size_t size);
void *__real_memory_take_raw(size_t size);
void *__real_memory_resize(void *memory, size_t size);
void __real_memory_give(void *memory);
void *__wrap_memory_take(size_t size);
void *__wrap_memory_take_raw(size_t size);
void *__wrap_memory_resize(void *memory, size_t size);
char *__wrap_memory_copy_text(const char *text);
void __wrap_memory_give(void *memory);

static void count(const struct head *head, int64_t blocks, int64_t bytes)
{
    int64_t process = head->process % PROCESSES_MOST;
    counts[process] += blocks;
    sizes[process] += bytes;
}

static void *begin(struct head *head, size_t size)
{
    *head = (struct head){ (int64_t)size, sim_running_process() };
    count(head, 1, head->size);
    return head + 1;
}

void *__wrap_memory_take(size_t size)
{
    return begin(__real_memory_take(sizeof(struct head) + size), size);
}

void *__wrap_memory_take_raw(size_t size)
{
    return begin(__real_memory_take_raw(sizeof(struct head) + size), size);
}

void *__wrap_memory_resize(void *memory, size_t size)
{
    if (memory == NULL)
        return __wrap_memory_take_raw(size);
    struct head *head = __real_memory_resize((struct head *)memory - 1, sizeof(*head) + size);
    count(head, 0, (int64_t)size - head->size);
    head->size = (int64_t)size;
    return head + 1;
}

char *__wrap_memory_copy_text(const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(__wrap_memory_take_raw(size), text, size);
}

void __wrap_memory_give(void *memory)
{
    if (memory == NULL)
        return;
    struct head *head = (struct head *)memory - 1;
    count(head, -1, -head->size);
    __real_memory_give(head);
}

int64_t memory_of_process(const struct machine *machine, int64_t *out_bytes)
{
    int64_t process = machine_process(machine) % PROCESSES_MOST;
    *out_bytes = sizes[process];
    return counts[process];
}
