/* A client library for the sandbox's queue manager, with the MQI's functions. For tests only: it is
   not IBM's, and reaches nothing but the sandbox.

   With it the real C modules of both Python bindings run where IBM's library is not to be had, on the
   threads that they would run on with IBM's. sandbox/mqbinding/protocol.py describes the protocol. */

#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "cmqbc.h"
#include "cmqc.h"
#include "cmqxc.h"

#define CONNECTIONS_MAX 4096
#define MESSAGE_BYTES_MAX (4 * 1024 * 1024)
#define FRAME_BYTES_MAX (MESSAGE_BYTES_MAX + 1024)
#define PROTOCOL_VERSION 1
#define MD_1_BYTES 324
#define CIPHER_VERSION 7

_Static_assert(sizeof(MQMD) == 364 && sizeof(MQOD) == 424 && sizeof(MQPMO) == 184, "layout");
_Static_assert(sizeof(MQGMO) == 112 && sizeof(MQCNO) == 272 && sizeof(MQCD) == 2000, "layout");
_Static_assert(sizeof(MQCSP) == 104 && sizeof(MQSCO) == 628, "layout");

enum verb { CONNECT = 1, DISCONNECT, OPEN, CLOSE, PUT, PUT1, GET, COMMIT, BACK, INQUIRE, SET };

typedef struct {
  int socket; /* -1 when it is broken */
  uint32_t number;
  MQLONG sharing;
  pthread_t owner;
  pthread_mutex_t lock;
} connection;

typedef struct {
  MQLONG completion, reason;
  uint32_t size;
  unsigned char *body; /* the caller frees it */
} answer;

typedef struct {
  const void *data;
  size_t size;
} part;

static connection *connections[CONNECTIONS_MAX];
static pthread_mutex_t connections_lock = PTHREAD_MUTEX_INITIALIZER;

static answer failed(MQLONG reason) { return (answer){MQCC_FAILED, reason, 0, NULL}; }

static void tell(const answer *found, PMQLONG completion, PMQLONG reason) {
  *completion = found->completion;
  *reason = found->reason;
}

/* -- the socket ---------------------------------------------------------------------------------- */

static int send_all(int socket, const void *data, size_t size) {
  for (const char *left = data; size;) {
    ssize_t sent = send(socket, left, size, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return -1;
    left += sent;
    size -= (size_t)sent;
  }
  return 0;
}

static int read_all(int socket, void *data, size_t size) {
  for (char *left = data; size;) {
    ssize_t found = recv(socket, left, size, 0);
    if (found < 0 && errno == EINTR) continue;
    if (found <= 0) return -1;
    left += found;
    size -= (size_t)found;
  }
  return 0;
}

/* Send a call and read its answer; the caller holds the lock. A broken connection stays broken. */
static answer exchange(connection *to, enum verb verb, const part *parts, int count) {
  uint32_t size = 8;
  for (int i = 0; i < count; i++) size += (uint32_t)parts[i].size;
  unsigned char *frame = malloc(size + 4);
  if (!frame) return failed(MQRC_RESOURCE_PROBLEM);
  uint32_t head[3] = {size, ++to->number, (uint32_t)verb};
  unsigned char *end = mempcpy(frame, head, sizeof head);
  for (int i = 0; i < count; i++) end = mempcpy(end, parts[i].data, parts[i].size);
  int sent = to->socket < 0 ? -1 : send_all(to->socket, frame, size + 4);
  free(frame);

  struct {
    uint32_t length, number;
    MQLONG completion, reason;
  } found;
  if (sent || read_all(to->socket, &found, sizeof found) || found.number != to->number ||
      found.length < 12 || found.length > FRAME_BYTES_MAX)
    goto broken;
  answer answer = {found.completion, found.reason, found.length - 12, malloc(found.length)};
  if (answer.body && !read_all(to->socket, answer.body, answer.size)) return answer;
  free(answer.body);
broken:
  if (to->socket >= 0) close(to->socket);
  to->socket = -1;
  return failed(MQRC_CONNECTION_BROKEN);
}

/* Make a call by its handle, with what IBM's library allows two threads that share it. */
static answer call(MQHCONN handle, enum verb verb, const part *parts, int count) {
  pthread_mutex_lock(&connections_lock);
  connection *to = handle > 0 && handle < CONNECTIONS_MAX ? connections[handle] : NULL;
  pthread_mutex_unlock(&connections_lock);
  if (!to) return failed(MQRC_HCONN_ERROR);
  if (to->sharing == MQCNO_HANDLE_SHARE_BLOCK)
    pthread_mutex_lock(&to->lock);
  else if (to->sharing != MQCNO_HANDLE_SHARE_NO_BLOCK && !pthread_equal(to->owner, pthread_self()))
    return failed(MQRC_HCONN_ERROR);
  else if (pthread_mutex_trylock(&to->lock))
    return failed(MQRC_CALL_IN_PROGRESS);
  answer found = exchange(to, verb, parts, count);
  pthread_mutex_unlock(&to->lock);
  return found;
}

/* -- connecting ---------------------------------------------------------------------------------- */

/* Copy a field of a fixed size, or a C string, as a C string without its padding. */
static void text_of(char *to, const char *field, size_t size) {
  size_t length = strnlen(field, size);
  while (length && field[length - 1] == ' ') length--;
  memcpy(to, field, length);
  to[length] = 0;
}

/* Connect to one "host(port)". Returns the socket, or -1. */
static int dial(const char *address) {
  char host[265], port[6] = "1414";
  if (sscanf(address, " %264[^(](%5[0-9])", host, port) < 1) return -1;
  for (size_t length = strlen(host); length && isspace((unsigned char)host[length - 1]);)
    host[--length] = 0;
  struct addrinfo wanted = {.ai_socktype = SOCK_STREAM}, *found;
  if (getaddrinfo(host, port, &wanted, &found)) return -1;
  int connected = -1;
  for (struct addrinfo *one = found; one && connected < 0; one = one->ai_next) {
    connected = socket(one->ai_family, one->ai_socktype | SOCK_CLOEXEC, 0);
    if (connected >= 0 && connect(connected, one->ai_addr, one->ai_addrlen)) {
      close(connected);
      connected = -1;
    }
  }
  freeaddrinfo(found);
  if (connected >= 0)
    setsockopt(connected, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
  return connected;
}

/* Connect to the first of "host(port),host(port)" that answers. */
static int dial_any(char *addresses) {
  char *rest = NULL;
  for (char *one = strtok_r(addresses, ",", &rest); one; one = strtok_r(NULL, ",", &rest)) {
    int connected = dial(one);
    if (connected >= 0) return connected;
  }
  return -1;
}

static answer greet(connection *to, const char *name, const char *channel, const MQCNO *cno) {
  struct {
    uint32_t version;
    char name[48], channel[20], application[28], user[12];
    uint16_t user_size, password_size;
  } hello = {.version = PROTOCOL_VERSION};
  const MQCSP *csp = cno->SecurityParmsPtr;
  part parts[] = {{&hello, sizeof hello}, {NULL, 0}, {NULL, 0}};
  memcpy(hello.name, name, strnlen(name, sizeof hello.name));
  memcpy(hello.channel, channel, strnlen(channel, sizeof hello.channel));
  if (cno->Version >= MQCNO_VERSION_7)
    memcpy(hello.application, cno->ApplName, sizeof hello.application);
  if (csp && csp->AuthenticationType == MQCSP_AUTH_USER_ID_AND_PWD) {
    parts[1] = (part){csp->CSPUserIdPtr, (size_t)csp->CSPUserIdLength};
    parts[2] = (part){csp->CSPPasswordPtr, (size_t)csp->CSPPasswordLength};
    hello.user_size = (uint16_t)parts[1].size;
    hello.password_size = (uint16_t)parts[2].size;
  }
  return exchange(to, CONNECT, parts, 3);
}

/* Return a handle for a connection, or 0 where there is none left. */
static MQHCONN handle_of(connection *made) {
  MQHCONN handle = 0;
  pthread_mutex_lock(&connections_lock);
  for (MQHCONN free_one = 1; free_one < CONNECTIONS_MAX && !handle; free_one++)
    if (!connections[free_one]) connections[handle = free_one] = made;
  pthread_mutex_unlock(&connections_lock);
  return handle;
}

void MQCONNX(PMQCHAR name, MQCNO *cno, PMQHCONN hconn, PMQLONG completion, PMQLONG reason) {
  char channel[21] = "", addresses[265] = "", wanted[49];
  const MQCD *cd = cno->ClientConnPtr;
  const char *server = getenv("MQSERVER");
  answer found = failed(MQRC_Q_MGR_NOT_AVAILABLE);
  *hconn = MQHC_UNUSABLE_HCONN;
  text_of(wanted, name, 48);
  if (cd) {
    text_of(channel, cd->ChannelName, sizeof cd->ChannelName);
    text_of(addresses, cd->ConnectionName, sizeof cd->ConnectionName - 1);
    if (cd->Version >= CIPHER_VERSION && cd->SSLCipherSpec[0] && cd->SSLCipherSpec[0] != ' ') {
      found = failed(MQRC_SSL_INITIALIZATION_ERROR);
      tell(&found, completion, reason);
      return;
    }
  } else if (!server || sscanf(server, "%20[^/]/TCP/%264[^\n]", channel, addresses) != 2) {
    tell(&found, completion, reason);
    return;
  }
  connection *made = calloc(1, sizeof *made);
  if (!made) abort();
  made->socket = dial_any(addresses);
  made->owner = pthread_self();
  made->sharing = cno->Options & (MQCNO_HANDLE_SHARE_BLOCK | MQCNO_HANDLE_SHARE_NO_BLOCK);
  pthread_mutex_init(&made->lock, NULL);
  found = made->socket < 0 ? failed(MQRC_HOST_NOT_AVAILABLE) : greet(made, wanted, channel, cno);
  if (found.completion != MQCC_FAILED && (*hconn = handle_of(made)) == 0)
    found = failed(MQRC_RESOURCE_PROBLEM);
  if (found.completion == MQCC_FAILED) {
    *hconn = MQHC_UNUSABLE_HCONN;
    if (made->socket >= 0) close(made->socket);
    free(made);
  }
  tell(&found, completion, reason);
  free(found.body);
}

void MQCONN(PMQCHAR name, PMQHCONN hconn, PMQLONG completion, PMQLONG reason) {
  MQCNO cno = {MQCNO_DEFAULT};
  MQCONNX(name, &cno, hconn, completion, reason);
}

/* The connection itself is never freed: another thread may be about to find out that it is gone. */
void MQDISC(PMQHCONN hconn, PMQLONG completion, PMQLONG reason) {
  answer found = call(*hconn, DISCONNECT, NULL, 0);
  tell(&found, completion, reason);
  free(found.body);
  if (found.reason == MQRC_HCONN_ERROR || found.reason == MQRC_CALL_IN_PROGRESS) return;
  pthread_mutex_lock(&connections_lock);
  connection *gone = connections[*hconn];
  connections[*hconn] = NULL;
  pthread_mutex_unlock(&connections_lock);
  *hconn = MQHC_UNUSABLE_HCONN;
  if (!gone) return;
  pthread_mutex_lock(&gone->lock);
  if (gone->socket >= 0) close(gone->socket);
  gone->socket = -1;
  pthread_mutex_unlock(&gone->lock);
}

/* -- objects ------------------------------------------------------------------------------------- */

typedef struct {
  MQLONG object_type, options;
  char name[48], manager[48], dynamic[48];
} opening;

static opening opening_of(const MQOD *od, MQLONG options) {
  opening wanted = {od->ObjectType, options, "", "", ""};
  memcpy(wanted.name, od->ObjectName, 48);
  memcpy(wanted.manager, od->ObjectQMgrName, 48);
  memcpy(wanted.dynamic, od->DynamicQName, 48);
  return wanted;
}

void MQOPEN(MQHCONN hconn, MQOD *od, MQLONG options, PMQHOBJ hobj, PMQLONG completion,
            PMQLONG reason) {
  opening wanted = opening_of(od, options);
  answer found = call(hconn, OPEN, &(part){&wanted, sizeof wanted}, 1);
  *hobj = MQHO_UNUSABLE_HOBJ;
  if (found.size == 100) {
    memcpy(hobj, found.body, 4);
    memcpy(od->ObjectName, found.body + 4, 48);
    if (od->Version >= 3) memcpy(od->ResolvedQName, found.body + 4, 96);
  }
  tell(&found, completion, reason);
  free(found.body);
}

void MQCLOSE(MQHCONN hconn, PMQHOBJ hobj, MQLONG options, PMQLONG completion, PMQLONG reason) {
  MQLONG closing[] = {*hobj, options};
  answer found = call(hconn, CLOSE, &(part){closing, sizeof closing}, 1);
  if (found.completion == MQCC_OK) *hobj = MQHO_UNUSABLE_HOBJ;
  tell(&found, completion, reason);
  free(found.body);
}

static answer selecting(enum verb verb, MQHCONN hconn, MQHOBJ hobj, MQLONG count, PMQLONG selectors,
                        MQLONG ints_count, PMQLONG ints) {
  MQLONG head[] = {hobj, count};
  part parts[] = {{head, sizeof head},
                  {selectors, sizeof(MQLONG) * (size_t)count},
                  {ints, sizeof(MQLONG) * (size_t)ints_count}};
  return call(hconn, verb, parts, 3);
}

void MQINQ(MQHCONN hconn, MQHOBJ hobj, MQLONG selectors_count, PMQLONG selectors, MQLONG ints_count,
           PMQLONG ints, MQLONG chars_size, PMQCHAR chars, PMQLONG completion, PMQLONG reason) {
  answer found = selecting(INQUIRE, hconn, hobj, selectors_count, selectors, 0, NULL);
  uint32_t count = 0;
  if (found.size >= 4) memcpy(&count, found.body, 4);
  if (found.completion != MQCC_FAILED && count <= (uint32_t)ints_count) {
    size_t texts = found.size - 4 - 4 * count;
    memcpy(ints, found.body + 4, 4 * count);
    memcpy(chars, found.body + 4 + 4 * count, texts < (size_t)chars_size ? texts : (size_t)chars_size);
  }
  tell(&found, completion, reason);
  free(found.body);
}

void MQSET(MQHCONN hconn, MQHOBJ hobj, MQLONG selectors_count, PMQLONG selectors, MQLONG ints_count,
           PMQLONG ints, MQLONG chars_size, PMQCHAR chars, PMQLONG completion, PMQLONG reason) {
  (void)chars_size, (void)chars;
  answer found = selecting(SET, hconn, hobj, selectors_count, selectors, ints_count, ints);
  tell(&found, completion, reason);
  free(found.body);
}

/* -- messages ------------------------------------------------------------------------------------ */

/* A descriptor of version 1 is shorter: what lies behind it is not the program's. */
static MQMD whole_md(const MQMD *md) {
  MQMD whole = {0};
  memcpy(&whole, md, md->Version == 1 ? MD_1_BYTES : sizeof whole);
  return whole;
}

static void give_md(MQMD *md, const unsigned char *found) {
  MQLONG version = md->Version;
  memcpy(md, found, version == 1 ? MD_1_BYTES : sizeof *md);
  md->Version = version;
}

static void put(MQHCONN hconn, enum verb verb, part head, MQMD *md, MQPMO *pmo, MQLONG size,
                PMQVOID message, PMQLONG completion, PMQLONG reason) {
  MQMD whole = whole_md(md);
  part parts[] = {head, {&whole, sizeof whole}, {message, (size_t)size}};
  answer found = size < 0 || size > MESSAGE_BYTES_MAX ? failed(MQRC_MSG_TOO_BIG_FOR_Q)
                                                      : call(hconn, verb, parts, 3);
  if (found.size == sizeof *md + 96) {
    give_md(md, found.body);
    memcpy(pmo->ResolvedQName, found.body + sizeof *md, 96);
  }
  tell(&found, completion, reason);
  free(found.body);
}

void MQPUT(MQHCONN hconn, MQHOBJ hobj, MQMD *md, MQPMO *pmo, MQLONG size, PMQVOID message,
           PMQLONG completion, PMQLONG reason) {
  MQLONG putting[] = {hobj, pmo->Options};
  put(hconn, PUT, (part){putting, sizeof putting}, md, pmo, size, message, completion, reason);
}

void MQPUT1(MQHCONN hconn, MQOD *od, MQMD *md, MQPMO *pmo, MQLONG size, PMQVOID message,
            PMQLONG completion, PMQLONG reason) {
  opening wanted = opening_of(od, pmo->Options);
  put(hconn, PUT1, (part){&wanted, sizeof wanted}, md, pmo, size, message, completion, reason);
}

void MQGET(MQHCONN hconn, MQHOBJ hobj, MQMD *md, MQGMO *gmo, MQLONG room, PMQVOID message,
           PMQLONG length, PMQLONG completion, PMQLONG reason) {
  struct {
    MQLONG handle, options, wait_ms, match, room, ccsid;
    MQCHAR ids[48];
  } wanted = {hobj, gmo->Options, gmo->WaitInterval, MQMO_MATCH_MSG_ID | MQMO_MATCH_CORREL_ID,
              room, md->CodedCharSetId, ""};
  memcpy(wanted.ids, md->FormatToCorrelId + 16, 48);
  if (gmo->Version >= 2) wanted.match = gmo->MatchOptions;
  answer found = call(hconn, GET, &(part){&wanted, sizeof wanted}, 1);
  *length = 0;
  if (found.size >= 68 + sizeof *md) {
    size_t got = found.size - 68 - sizeof *md;
    memcpy(length, found.body, 4);
    memcpy(gmo->ResolvedQName, found.body + 4, 48);
    if (gmo->Version >= 3) {
      memcpy(gmo->MsgToken, found.body + 52, 16);
      gmo->ReturnedLength = (MQLONG)got;
    }
    give_md(md, found.body + 68);
    memcpy(message, found.body + 68 + sizeof *md, got < (size_t)room ? got : (size_t)room);
  }
  tell(&found, completion, reason);
  free(found.body);
}

/* -- units of work ------------------------------------------------------------------------------- */

void MQCMIT(MQHCONN hconn, PMQLONG completion, PMQLONG reason) {
  answer found = call(hconn, COMMIT, NULL, 0);
  tell(&found, completion, reason);
  free(found.body);
}

void MQBACK(MQHCONN hconn, PMQLONG completion, PMQLONG reason) {
  answer found = call(hconn, BACK, NULL, 0);
  tell(&found, completion, reason);
  free(found.body);
}

/* -- what is not supported ----------------------------------------------------------------------- */

#define UNSUPPORTED(name, ...)            \
  MQI_CALL(name, __VA_ARGS__) {           \
    *completion = MQCC_FAILED;            \
    *reason = MQRC_FUNCTION_NOT_SUPPORTED; \
  }
#pragma GCC diagnostic ignored "-Wunused-parameter"

UNSUPPORTED(MQBEGIN, MQHCONN hconn, MQBO *options)
UNSUPPORTED(MQSUB, MQHCONN hconn, MQSD *sd, PMQHOBJ hobj, PMQHOBJ hsub)
UNSUPPORTED(MQSUBRQ, MQHCONN hconn, MQHOBJ hsub, MQLONG action, MQSRO *sro)
UNSUPPORTED(MQSTAT, MQHCONN hconn, MQLONG type, PMQVOID sts)
UNSUPPORTED(MQCB, MQHCONN hconn, MQLONG operation, PMQVOID cbd, MQHOBJ hobj, PMQVOID md, PMQVOID gmo)
UNSUPPORTED(MQCTL, MQHCONN hconn, MQLONG operation, PMQVOID options)
UNSUPPORTED(MQCRTMH, MQHCONN hconn, MQCMHO *options, MQHMSG *handle)
UNSUPPORTED(MQDLTMH, MQHCONN hconn, MQHMSG *handle, MQDMHO *options)
UNSUPPORTED(MQSETMP, MQHCONN hconn, MQHMSG handle, MQSMPO *options, MQCHARV *name, MQPD *pd,
            MQLONG type, MQLONG size, PMQVOID value)
UNSUPPORTED(MQINQMP, MQHCONN hconn, MQHMSG handle, MQIMPO *options, MQCHARV *name, MQPD *pd,
            PMQLONG type, MQLONG room, PMQVOID value, PMQLONG size)
UNSUPPORTED(MQDLTMP, MQHCONN hconn, MQHMSG handle, MQDMPO *options, MQCHARV *name)
UNSUPPORTED(mqCreateBag, MQLONG options, PMQHBAG bag)
UNSUPPORTED(mqDeleteBag, PMQHBAG bag)
UNSUPPORTED(mqAddInquiry, MQHBAG bag, MQLONG selector)
UNSUPPORTED(mqAddInteger, MQHBAG bag, MQLONG selector, MQLONG value)
UNSUPPORTED(mqAddString, MQHBAG bag, MQLONG selector, MQLONG size, PMQCHAR value)
UNSUPPORTED(mqAddByteString, MQHBAG bag, MQLONG selector, MQLONG size, PMQBYTE value)
UNSUPPORTED(mqAddIntegerFilter, MQHBAG bag, MQLONG selector, MQLONG value, MQLONG operation)
UNSUPPORTED(mqAddStringFilter, MQHBAG bag, MQLONG selector, MQLONG size, PMQCHAR value,
            MQLONG operation)
UNSUPPORTED(mqExecute, MQHCONN hconn, MQLONG command, MQHBAG options, MQHBAG request,
            MQHBAG response, MQHOBJ to, MQHOBJ from)
UNSUPPORTED(mqCountItems, MQHBAG bag, MQLONG selector, PMQLONG count)
UNSUPPORTED(mqInquireBag, MQHBAG bag, MQLONG selector, MQLONG index, PMQHBAG value)
UNSUPPORTED(mqInquireInteger, MQHBAG bag, MQLONG selector, MQLONG index, PMQLONG value)
UNSUPPORTED(mqInquireString, MQHBAG bag, MQLONG selector, MQLONG index, MQLONG room, PMQCHAR value,
            PMQLONG size, PMQLONG ccsid)
UNSUPPORTED(mqInquireByteString, MQHBAG bag, MQLONG selector, MQLONG index, MQLONG room,
            PMQBYTE value, PMQLONG size)
UNSUPPORTED(mqInquireItemInfo, MQHBAG bag, MQLONG selector, MQLONG index, PMQLONG out, PMQLONG type)
