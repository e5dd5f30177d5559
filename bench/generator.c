/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "workload.h"

void measurement_init(struct measurement *measurement, const struct options *options)
{
    measurement->options = options;
    measurement->starts_at = now_ns() + (int64_t)(options->warmup * 1e9);
    measurement->ends_at = measurement->starts_at + (int64_t)(options->seconds * 1e9);
    measurement_turn(measurement, now_ns());
}

void measurement_turn(struct measurement *measurement, int64_t now)
{
    if (!measurement->counting && !measurement->over && now >= measurement->starts_at) {
        usage_take(measurement->options->pid, &measurement->before);
        measurement->began_at = now_ns();
        measurement->counting = true;
    } else if (measurement->counting && now >= measurement->ends_at) {
        measurement->ended_at = now_ns();
        usage_take(measurement->options->pid, &measurement->after);
        measurement->counting = false;
        measurement->over = true;
    }
}

void measurement_print(const struct measurement *measurement, const char *workload)
{
    const struct usage *before = &measurement->before;
    const struct usage *after = &measurement->after;
    const struct histogram *times = &measurement->times;
    if (!measurement->over) {
        printf("{\"workload\": \"%s\", \"filled\": true}\n", workload);
        return;
    }
    printf("{\"workload\": \"%s\", \"seconds\": %.3f, \"requests\": %llu, \"records\": %llu, "
           "\"bytes\": %llu, ",
        workload, (double)(measurement->ended_at - measurement->began_at) / 1e9,
        (unsigned long long)measurement->requests, (unsigned long long)measurement->records,
        (unsigned long long)measurement->bytes);
    printf("\"cpu_seconds\": %.6f, \"machine_seconds\": %.3f, \"own_seconds\": %.6f, \"switches\": "
           "%llu, "
           "\"faults\": %llu, \"resident_bytes\": %llu, ",
        after->cpu_seconds - before->cpu_seconds, after->machine_seconds - before->machine_seconds,
        after->own_seconds - before->own_seconds,
        (unsigned long long)(after->switches - before->switches),
        (unsigned long long)(after->faults - before->faults),
        (unsigned long long)after->resident_bytes);
    printf("\"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, \"max_us\": %.1f}\n",
        (double)histogram_at(times, 0.5) / 1e3, (double)histogram_at(times, 0.99) / 1e3,
        (double)histogram_at(times, 0.999) / 1e3, (double)times->largest / 1e3);
}

static void usage_print(FILE *out)
{
    fputs("usage: generator WORKLOAD [options]\n"
          "  produce      closed loop of Produce requests\n"
          "  fetch        closed loop of Fetch requests over what the topic holds\n"
          "  end_to_end   open loop of single records to a parked consumer\n"
          "  commit       closed loop of OffsetCommit requests of simple groups\n"
          "  settle       a group of the consumer protocol joins, loses members, and its topic "
          "grows\n"
          "  classic      the same of a group of the classic protocol\n"
          "  hold         groups of the consumer protocol that do not change\n"
          "  first        when the server listens, and when a first record is durable\n\n"
          "  --server HOST:PORT     127.0.0.1:9092\n"
          "  --pid N                the broker's process, for its CPU time\n"
          "  --topic NAME           bench\n"
          "  --create               create the topic first\n"
          "  --config KEY=VALUE     of the topic, with --create; may be repeated\n"
          "  --partitions N         1\n"
          "  --connections N        1\n"
          "  --window N             requests in flight on a connection: 1\n"
          "  --records N            in a request, or partitions in an OffsetCommit: 1\n"
          "  --record-size BYTES    1024\n"
          "  --acks -1|1            1\n"
          "  --max-bytes BYTES      of a Fetch: 1048576\n"
          "  --rate N               requests a second of the open loop: 1000\n"
          "  --seconds S            measured: 5\n"
          "  --warmup S             before: 1\n"
          "  --fill N               produce so many bytes, or commit so many offsets, and stop\n"
          "  --groups N             64\n"
          "  --members N            of a group: 10\n"
          "  --homes N              partitions of __consumer_offsets that the groups hash to: 1\n\n"
          "  generator produce --create --connections 8 --window 5 --records 16\n",
        out);
}

enum option_key {
    SERVER,
    PID,
    TOPIC,
    CREATE,
    CONFIG,
    PARTITIONS,
    CONNECTIONS,
    WINDOW,
    RECORDS,
    RECORD_SIZE,
    ACKS,
    MAX_BYTES,
    RATE,
    SECONDS,
    WARMUP,
    FILL,
    GROUPS,
    MEMBERS,
    HOMES,
    HELP
};

static const struct option long_options[] = {
    { "server", required_argument, NULL, SERVER },
    { "pid", required_argument, NULL, PID },
    { "topic", required_argument, NULL, TOPIC },
    { "create", no_argument, NULL, CREATE },
    { "config", required_argument, NULL, CONFIG },
    { "partitions", required_argument, NULL, PARTITIONS },
    { "connections", required_argument, NULL, CONNECTIONS },
    { "window", required_argument, NULL, WINDOW },
    { "records", required_argument, NULL, RECORDS },
    { "record-size", required_argument, NULL, RECORD_SIZE },
    { "acks", required_argument, NULL, ACKS },
    { "max-bytes", required_argument, NULL, MAX_BYTES },
    { "rate", required_argument, NULL, RATE },
    { "seconds", required_argument, NULL, SECONDS },
    { "warmup", required_argument, NULL, WARMUP },
    { "fill", required_argument, NULL, FILL },
    { "groups", required_argument, NULL, GROUPS },
    { "members", required_argument, NULL, MEMBERS },
    { "homes", required_argument, NULL, HOMES },
    { "help", no_argument, NULL, HELP },
    { 0 },
};

static void set_server(struct options *options, char *text)
{
    char *colon = strrchr(text, ':');
    if (colon == NULL)
        bench_fail("--server wants HOST:PORT");
    *colon = 0;
    options->host = text;
    options->port = atoi(colon + 1);
}

static void set_option(struct options *options, int key, char *value)
{
    switch (key) {
    case SERVER:
        set_server(options, value);
        break;
    case PID:
        options->pid = atoi(value);
        break;
    case TOPIC:
        options->topic = value;
        break;
    case CREATE:
        options->create = true;
        break;
    case CONFIG:
        if (options->config_count == MAX_CONFIGS)
            bench_fail("more than %d settings", MAX_CONFIGS);
        options->configs[options->config_count++] = value;
        break;
    case PARTITIONS:
        options->partitions = atoi(value);
        break;
    case CONNECTIONS:
        options->connections = atoi(value);
        break;
    case WINDOW:
        options->window = atoi(value);
        break;
    case RECORDS:
        options->record_count = atoi(value);
        break;
    case RECORD_SIZE:
        options->record_size = atoi(value);
        break;
    case ACKS:
        options->acks = atoi(value);
        break;
    case MAX_BYTES:
        options->max_bytes = atoi(value);
        break;
    case RATE:
        options->rate = atof(value);
        break;
    case SECONDS:
        options->seconds = atof(value);
        break;
    case WARMUP:
        options->warmup = atof(value);
        break;
    case FILL:
        options->fill = atoll(value);
        break;
    case GROUPS:
        options->groups = atoi(value);
        break;
    case MEMBERS:
        options->members = atoi(value);
        break;
    case HOMES:
        options->homes = atoi(value);
        break;
    case HELP:
        usage_print(stdout);
        exit(0);
    default:
        usage_print(stderr);
        exit(2);
    }
}

static const struct {
    const char *name;
    void (*run)(const struct options *options);
} workloads[] = {
    { "produce", run_produce },
    { "commit", run_commit },
    { "fetch", run_fetch },
    { "end_to_end", run_end_to_end },
    { "settle", run_settle },
    { "classic", run_classic },
    { "hold", run_hold },
    { "first", run_first },
};

int main(int argc, char **argv)
{
    struct options options = { .host = "127.0.0.1",
        .port = 9092,
        .topic = "bench",
        .partitions = 1,
        .connections = 1,
        .window = 1,
        .record_count = 1,
        .record_size = 1024,
        .acks = 1,
        .max_bytes = 1 << 20,
        .rate = 1000,
        .seconds = 5,
        .warmup = 1,
        .groups = 64,
        .members = 10,
        .homes = 1 };
    for (int key; (key = getopt_long(argc, argv, "h", long_options, NULL)) != -1;)
        set_option(&options, key, optarg);
    if (optind + 1 != argc || options.partitions < 1 || options.partitions > MAX_PARTITIONS ||
        options.connections < 1 || options.window < 1 || options.record_count < 1 ||
        options.record_size < 16 || options.rate <= 0 || options.groups < 1 ||
        options.members < 1 || options.homes < 1 || (options.acks != 1 && options.acks != -1)) {
        usage_print(stderr);
        return 2;
    }
    if (options.fill > 0)
        options.warmup = 1e6; /* nothing is measured */
    for (size_t i = 0; i < sizeof(workloads) / sizeof(*workloads); i++)
        if (strcmp(argv[optind], workloads[i].name) == 0) {
            workloads[i].run(&options);
            return 0;
        }
    bench_fail("no workload %s", argv[optind]);
}
