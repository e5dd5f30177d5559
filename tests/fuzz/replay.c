/* SPDX-License-Identifier: Apache-2.0 */
/* A fuzz target without libFuzzer: runs the inputs of a pack (tests/fuzz/pack.py), or single inputs, once each. The last line
 * is `N passed, 0 failed`; an input that fails ends the process, and the last number printed is its place in the pack. */
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "fuzz/input.h"

static uint8_t *load(const char *path, size_t *out_size)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) < 0) {
        perror(path);
        exit(2);
    }
    *out_size = (size_t)ftell(file);
    rewind(file);
    uint8_t *data = memory_take_raw(*out_size + 1);
    if (fread(data, 1, *out_size, file) != *out_size) {
        perror(path);
        exit(2);
    }
    fclose(file);
    return data;
}

/* A copy of its own, so that a sanitizer sees reads behind the end. */
static void run(const uint8_t *data, size_t size)
{
    uint8_t *copy = memory_take_raw(size);
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    memory_give(copy);
}

static int run_pack(const uint8_t *data, size_t size)
{
    int count = 0;
    for (size_t at = 0; size - at >= 4; count++) {
        size_t input_size = load_u32(data + at);
        if (input_size > size - at - 4) {
            fprintf(stderr, "not a pack\n");
            exit(2);
        }
        fprintf(stderr, "%d\n", count);
        run(data + at + 4, input_size);
        at += 4 + input_size;
    }
    return count;
}

int main(int count, char **words)
{
    int runs = 0;
    for (int i = 1; i < count; i++) {
        size_t size, length = strlen(words[i]);
        uint8_t *data = load(words[i], &size);
        if (length > 5 && strcmp(words[i] + length - 5, ".pack") == 0)
            runs += run_pack(data, size);
        else
            run(data, size), runs++;
        memory_give(data);
    }
    printf("%d passed, 0 failed\n", runs);
    return runs > 0 ? 0 : 2;
}
