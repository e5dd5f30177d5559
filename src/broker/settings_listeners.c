/* SPDX-License-Identifier: Apache-2.0 */
/* Listeners and voters: where a node listens, what it tells clients to connect to, who decides with
 * it. */
#include <ctype.h>

#include "broker/settings_input.h"

/* host:port, with [..] around an IPv6 address; the host may be empty. */
static bool parse_address(struct str text, struct str *out_host, int32_t *out_port)
{
    int32_t colon = text.size - 1;
    while (colon >= 0 && text.data[colon] != ':')
        colon--;
    if (colon < 0)
        return false;
    int64_t port;
    if (!str_to_int64((struct str){ text.data + colon + 1, text.size - colon - 1 }, &port) ||
        port < 0 || port > 65535)
        return false;
    struct str host = { text.data, colon };
    if (host.size >= 2 && host.data[0] == '[' && host.data[host.size - 1] == ']')
        host = (struct str){ host.data + 1, host.size - 2 };
    else if (memchr(host.data, ':', (size_t)host.size) != NULL)
        return false;
    *out_host = host;
    *out_port = (int32_t)port;
    return true;
}

static struct str upper_case(struct arena *arena, struct str text)
{
    char *copy = (char *)str_copy(arena, text).data;
    for (int32_t i = 0; i < text.size; i++)
        copy[i] = (char)toupper((unsigned char)copy[i]);
    return (struct str){ copy, text.size };
}

/* NAME://host:port */
static bool parse_listener(struct arena *arena, struct str text, struct node_listener *out)
{
    struct str rest = text, name;
    str_split(&rest, ':', &name);
    if (str_is_null(rest) || !str_starts(rest, STR("//")) || name.size == 0)
        return false;
    rest = (struct str){ rest.data + 2, rest.size - 2 };
    *out = (struct node_listener){ .name = upper_case(arena, str_trim(name)) };
    if (!parse_address(rest, &out->host, &out->port))
        return false;
    out->host = str_copy(arena, out->host);
    return true;
}

static struct node_listener *find_listener(struct node_settings *node, struct str name)
{
    for (int i = 0; i < node->listener_count; i++) {
        if (str_equal(node->listeners[i].name, name))
            return &node->listeners[i];
    }
    return NULL;
}

static bool protocol_by_name(struct str name, enum listener_protocol *out_protocol)
{
    static const char *const names[] = { "PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL" };
    for (int i = 0; i < 4; i++) {
        if (str_is(name, names[i])) {
            *out_protocol = (enum listener_protocol)i;
            return true;
        }
    }
    return false;
}

/* Whether the comma-separated list has the name, in any case of letters. */
static bool list_has(struct arena *arena, struct str list, struct str name)
{
    struct str piece;
    while (str_split(&list, ',', &piece)) {
        if (str_equal(upper_case(arena, str_trim(piece)), name))
            return true;
    }
    return false;
}

static void read_protocol(
    struct settings_input *input, struct node_settings *node, struct node_listener *listener)
{
    const struct settings_said *said =
        settings_input_find(input, STR("listener.security.protocol.map"));
    struct str map = said == NULL ? (struct str){ 0 } : said->value, pair;
    bool is_known = false;
    while (str_split(&map, ',', &pair)) {
        struct str protocol = pair, name;
        str_split(&protocol, ':', &name);
        if (str_is_null(protocol) ||
            !str_equal(upper_case(&node->arena, str_trim(name)), listener->name))
            continue;
        is_known =
            protocol_by_name(upper_case(&node->arena, str_trim(protocol)), &listener->protocol);
        if (!is_known)
            settings_problem(
                input, said, "%.*s is no protocol; use PLAINTEXT", STR_PRINT(protocol));
        if (!is_known)
            return;
    }
    if (!is_known && said == NULL)
        is_known = protocol_by_name(listener->name, &listener->protocol) || listener->is_controller;
    if (!is_known)
        settings_problem(input, said,
            "no security protocol defined for listener %.*s; add %.*s:PLAINTEXT to the map",
            STR_PRINT(listener->name), STR_PRINT(listener->name));
    else if (listener->protocol != LISTENER_PLAINTEXT)
        settings_problem(input, said != NULL ? said : settings_input_find(input, STR("listeners")),
            "listener %.*s would need TLS or SASL, which this version does not have; only "
            "PLAINTEXT works",
            STR_PRINT(listener->name));
}

/* Whether the key was refused already: what is missing because of it is no news. */
static bool is_refused(const struct settings_input *input, const char *key)
{
    const struct settings_said *said = settings_input_find(input, str_from(key));
    return said != NULL && said->refused;
}

/* Kafka wants a controller listener to be named; where nobody named one, we make it: loopback, any
 * free port. */
static void add_controller_listener(struct settings_input *input, struct node_settings *node)
{
    for (int i = 0; i < node->listener_count; i++) {
        if (node->listeners[i].is_controller)
            return;
    }
    const struct settings_said *said = settings_input_find(input, STR("controller.listener.names"));
    if (said != NULL && !is_refused(input, "listeners")) {
        settings_problem(input, said,
            "listeners has none of these names; add for instance %.*s://localhost:9093",
            STR_PRINT(said->value));
        return;
    }
    node->listeners[node->listener_count++] = (struct node_listener){
        .name = STR("CONTROLLER"), .host = STR("localhost"), .is_controller = true
    };
}

static bool is_ipv6(struct str host)
{
    return host.size > 0 && memchr(host.data, ':', (size_t)host.size) != NULL;
}

/* Two listeners share a port only as an IPv4 and an IPv6 address. */
static void check_ports(struct settings_input *input, const struct settings_said *said,
    const struct node_settings *node)
{
    for (int i = 0; i < node->listener_count; i++) {
        for (int j = 0; j < i; j++) {
            const struct node_listener *one = &node->listeners[j], *other = &node->listeners[i];
            bool separate = one->host.size > 0 && other->host.size > 0 &&
                            is_ipv6(one->host) != is_ipv6(other->host);
            if (one->port != 0 && one->port == other->port && !separate)
                settings_problem(input, said,
                    "each listener must have a different port; %.*s and %.*s both have %d",
                    STR_PRINT(one->name), STR_PRINT(other->name), one->port);
        }
    }
}

static void read_bound(struct settings_input *input, struct node_settings *node)
{
    const struct settings_said *said = settings_input_find(input, STR("listeners"));
    struct str list = said == NULL ? str_from(node_setting_find(STR("listeners"))->unset)
                                   : said->value,
               piece;
    struct str controllers = settings_value(input, "controller.listener.names",
        node_setting_find(STR("controller.listener.names"))->unset);
    node->listeners =
        arena_take_array(&node->arena, (size_t)list.size / 4 + 2, sizeof(*node->listeners));
    while (str_split(&list, ',', &piece)) {
        struct node_listener listener;
        if (!parse_listener(&node->arena, str_trim(piece), &listener)) {
            settings_problem(input, said, "%.*s is no listener; write NAME://host:port",
                STR_PRINT(str_trim(piece)));
            continue;
        }
        if (find_listener(node, listener.name) != NULL) {
            settings_problem(input, said,
                "each listener must have a different name; %.*s stands twice",
                STR_PRINT(listener.name));
            continue;
        }
        listener.is_controller = list_has(&node->arena, controllers, listener.name);
        node->listeners[node->listener_count++] = listener;
    }
    check_ports(input, said, node);
    add_controller_listener(input, node);
    for (int i = 0; i < node->listener_count; i++)
        read_protocol(input, node, &node->listeners[i]);
}

static void read_advertised(struct settings_input *input, const struct settings_machine *machine,
    struct node_settings *node)
{
    for (int i = 0; i < node->listener_count; i++) {
        struct node_listener *listener = &node->listeners[i];
        listener->advertised_host =
            listener->host.size == 0 ? str_copy(&node->arena, machine->host_name) : listener->host;
        listener->advertised_port = listener->port;
    }
    const struct settings_said *said = settings_input_find(input, STR("advertised.listeners"));
    struct str list = said == NULL ? (struct str){ 0 } : said->value, piece;
    bool has_one_for_clients = false;
    while (str_split(&list, ',', &piece)) {
        struct node_listener advertised;
        if (!parse_listener(&node->arena, str_trim(piece), &advertised)) {
            settings_problem(input, said, "%.*s is no listener; write NAME://host:port",
                STR_PRINT(str_trim(piece)));
            continue;
        }
        struct node_listener *listener = find_listener(node, advertised.name);
        if (listener == NULL) {
            if (!is_refused(input, "listeners"))
                settings_problem(
                    input, said, "%.*s does not stand in listeners", STR_PRINT(advertised.name));
            continue;
        }
        listener->advertised_host = advertised.host.size == 0
                                        ? str_copy(&node->arena, machine->host_name)
                                        : advertised.host;
        listener->advertised_port = advertised.port;
        has_one_for_clients |= !listener->is_controller;
    }
    if (said != NULL && said->value.size > 0 && !has_one_for_clients && !said->refused &&
        !is_refused(input, "listeners"))
        settings_problem(input, said, "it names no listener for clients");
    for (int i = 0; i < node->listener_count; i++) {
        const struct node_listener *listener = &node->listeners[i];
        if (!listener->is_controller && str_is(listener->advertised_host, "0.0.0.0"))
            settings_problem(input,
                said != NULL ? said : settings_input_find(input, STR("listeners")),
                "clients cannot connect to 0.0.0.0: name a routable address in "
                "advertised.listeners");
    }
}

/* By its name, or by the protocol that is its name; Kafka takes only one of the two. */
static void read_inter_broker(struct settings_input *input, struct node_settings *node)
{
    const struct settings_said *said =
        settings_input_find(input, STR("inter.broker.listener.name"));
    const struct settings_said *protocol =
        settings_input_find(input, STR("security.inter.broker.protocol"));
    if (said != NULL && protocol != NULL)
        settings_problem(input, protocol,
            "only one of inter.broker.listener.name and security.inter.broker.protocol may be set");
    if (said == NULL)
        said = protocol;
    if (said != NULL) {
        const struct node_listener *listener =
            find_listener(node, upper_case(&node->arena, str_trim(said->value)));
        if (listener != NULL && !listener->is_controller)
            node->inter_broker_listener = listener->name;
        else if (!said->refused && !is_refused(input, "listeners"))
            settings_problem(input, said, "it must be the name of one of the broker's listeners");
        return;
    }
    for (int i = 0; i < node->listener_count && str_is_null(node->inter_broker_listener); i++) {
        if (!node->listeners[i].is_controller)
            node->inter_broker_listener = node->listeners[i].name;
    }
    if (str_is_null(node->inter_broker_listener) && !is_refused(input, "listeners"))
        settings_problem(input, settings_input_find(input, STR("listeners")),
            "a broker needs a listener for clients, for instance PLAINTEXT://localhost:9092");
}

void settings_read_listeners(struct settings_input *input, const struct settings_machine *machine,
    struct node_settings *node)
{
    read_bound(input, node);
    read_advertised(input, machine, node);
    read_inter_broker(input, node);
}

/* id@host:port or host:port. */
static bool parse_endpoint(
    struct arena *arena, struct str text, bool with_id, struct node_endpoint *out)
{
    out->node_id = -1;
    if (with_id) {
        struct str rest = text, id_text;
        int64_t id;
        str_split(&rest, '@', &id_text);
        if (str_is_null(rest) || !str_to_int64(id_text, &id) || id < 0 || id > INT32_MAX)
            return false;
        out->node_id = (int32_t)id;
        text = rest;
    }
    if (!parse_address(text, &out->host, &out->port) || out->host.size == 0)
        return false;
    out->host = str_copy(arena, out->host);
    return true;
}

static int read_endpoints(struct settings_input *input, struct node_settings *node, const char *key,
    bool with_id, struct node_endpoint **out)
{
    const struct settings_said *said = settings_input_find(input, str_from(key));
    if (said == NULL || str_trim(said->value).size == 0)
        return 0;
    struct str list = said->value, piece;
    *out = arena_take_array(&node->arena, (size_t)list.size, sizeof(**out));
    int count = 0;
    while (str_split(&list, ',', &piece)) {
        if (parse_endpoint(&node->arena, str_trim(piece), with_id, &(*out)[count]))
            count++;
        else
            settings_problem(input, said, "%.*s is not understood; write %shost:port",
                STR_PRINT(str_trim(piece)), with_id ? "id@" : "");
    }
    return count;
}

void settings_read_voters(struct settings_input *input, struct node_settings *node)
{
    node->quorum_voter_count =
        read_endpoints(input, node, "controller.quorum.voters", true, &node->quorum_voters);
    node->quorum_bootstrap_count = read_endpoints(
        input, node, "controller.quorum.bootstrap.servers", false, &node->quorum_bootstrap);
    const struct settings_said *said = settings_input_find(input, STR("controller.quorum.voters"));
    if (node->quorum_voter_count > 1)
        settings_problem(input, said,
            "this version runs a quorum of one: name this node only, as %d@host:port",
            node->node_id);
    else if (node->quorum_voter_count == 1 && node->quorum_voters[0].node_id != node->node_id)
        settings_problem(
            input, said, "the voter must be this node, whose node.id is %d", node->node_id);
}

/* As Kafka has it: no brackets around an IPv6 address, for the last colon ends the host. */
static bool may_name_host(struct str host)
{
    for (int32_t i = 0; i < host.size; i++) {
        char c = host.data[i];
        bool is_word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_word && strchr("-%._:", c) == NULL)
            return false;
    }
    return true;
}

bool connection_override_next(struct str *list, struct str *out_host, int32_t *out_count)
{
    struct str rest = *list, piece;

    while (str_split(&rest, ',', &piece)) {
        piece = str_trim(piece);
        if (piece.size == 0) {
            *list = rest;
            continue;
        }
        int32_t colon = piece.size - 1;
        int64_t count;
        while (colon > 0 && piece.data[colon] != ':')
            colon--;
        *out_host = str_trim((struct str){ piece.data, colon });
        struct str number = { piece.data + colon + 1, piece.size - colon - 1 };
        if (colon <= 0 || !may_name_host(*out_host) || !str_to_int64(str_trim(number), &count) ||
            count < 0 || count > INT32_MAX)
            return false;
        *out_count = (int32_t)count;
        *list = rest;
        return true;
    }
    *list = (struct str){ 0 };
    return false;
}

bool connection_overrides_are_understood(struct str list)
{
    struct str host;
    int32_t count;
    while (connection_override_next(&list, &host, &count))
        continue;
    return str_is_null(list);
}
