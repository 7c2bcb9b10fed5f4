/* The parts of the MQI that the two Python bindings are compiled against, and no more.

   For tests only: names, values and layouts are the MQI's, for 64-bit little-endian machines; whatever
   is not looked at here is a reserved area of the right size. */

#ifndef STAND_IN_CMQC_H
#define STAND_IN_CMQC_H

#include <stdint.h>

typedef int32_t MQLONG, MQHCONN, MQHOBJ, MQBOOL, MQINT32;
typedef int64_t MQHMSG, MQINT64;
typedef int16_t MQINT16;
typedef int8_t MQINT8;
typedef float MQFLOAT32;
typedef double MQFLOAT64;
typedef char MQCHAR;
typedef unsigned char MQBYTE;
typedef void MQVOID;
typedef MQLONG *PMQLONG;
typedef MQHCONN *PMQHCONN;
typedef MQHOBJ *PMQHOBJ;
typedef MQCHAR *PMQCHAR;
typedef MQBYTE *PMQBYTE;
typedef MQBOOL *PMQBOOL;
typedef MQINT8 *PMQINT8;
typedef MQINT16 *PMQINT16;
typedef MQINT32 *PMQINT32;
typedef MQINT64 *PMQINT64;
typedef MQFLOAT32 *PMQFLOAT32;
typedef MQFLOAT64 *PMQFLOAT64;
typedef void *PMQVOID;

#define MQCMDL_LEVEL_500 500
#define MQCMDL_LEVEL_510 510
#define MQCMDL_LEVEL_520 520
#define MQCMDL_LEVEL_530 530
#define MQCMDL_LEVEL_600 600
#define MQCMDL_LEVEL_700 700
#define MQCMDL_LEVEL_710 710
#define MQCMDL_LEVEL_750 750
#define MQCMDL_LEVEL_800 800

#define MQCC_OK 0
#define MQCC_FAILED 2
#define MQCC_UNKNOWN (-1)
#define MQRC_NONE 0
#define MQRC_CONNECTION_BROKEN 2009
#define MQRC_HCONN_ERROR 2018
#define MQRC_MSG_TOO_BIG_FOR_Q 2030
#define MQRC_Q_MGR_NOT_AVAILABLE 2059
#define MQRC_RESOURCE_PROBLEM 2102
#define MQRC_CALL_IN_PROGRESS 2219
#define MQRC_FUNCTION_NOT_SUPPORTED 2298
#define MQRC_SSL_INITIALIZATION_ERROR 2393
#define MQRC_HOST_NOT_AVAILABLE 2538
#define MQHC_UNUSABLE_HCONN (-1)
#define MQHO_UNUSABLE_HOBJ (-1)
#define MQHO_NONE 0
#define MQHM_UNUSABLE_HMSG (-1)
#define MQCNO_NONE 0
#define MQCNO_HANDLE_SHARE_BLOCK 0x40
#define MQCNO_HANDLE_SHARE_NO_BLOCK 0x80
#define MQCNO_VERSION_2 2
#define MQCNO_VERSION_5 5
#define MQCNO_VERSION_7 7
#define MQCSP_AUTH_USER_ID_AND_PWD 1
#define MQMO_MATCH_MSG_ID 1
#define MQMO_MATCH_CORREL_ID 2
#define MQIA_FIRST 1
#define MQIA_LAST 2000
#define MQTYPE_BOOLEAN 4
#define MQTYPE_BYTE_STRING 8
#define MQTYPE_INT8 16
#define MQTYPE_INT16 32
#define MQTYPE_INT32 64
#define MQTYPE_INT64 128
#define MQTYPE_FLOAT32 256
#define MQTYPE_FLOAT64 512
#define MQTYPE_STRING 1024
#define MQTYPE_NULL 2

typedef struct {
  MQCHAR StrucId[4];
  MQLONG Version;
  MQCHAR ToCodedCharSetId[20];
  MQLONG CodedCharSetId;
  MQCHAR FormatToCorrelId[64];
  MQCHAR BackoutToOriginData[228];
  MQBYTE GroupToOriginalLength[40];
} MQMD;

typedef struct {
  MQCHAR StrucId[4];
  MQLONG Version;
  MQLONG ObjectType;
  MQCHAR ObjectName[48];
  MQCHAR ObjectQMgrName[48];
  MQCHAR DynamicQName[48];
  MQCHAR ToAlternateSecurityId[92];
  MQCHAR ResolvedQName[48];
  MQCHAR ResolvedQMgrName[48];
  MQCHAR Rest[80];
} MQOD;
#define MQOD_CURRENT_LENGTH 424

typedef struct {
  MQCHAR StrucId[4];
  MQLONG Version;
  MQLONG Options;
  MQLONG ToInvalidDestCount[5];
  MQCHAR ResolvedQName[48];
  MQCHAR ResolvedQMgrName[48];
  MQCHAR Rest[56];
} MQPMO;
#define MQPMO_CURRENT_LENGTH 184

typedef struct {
  MQCHAR StrucId[4];
  MQLONG Version;
  MQLONG Options;
  MQLONG WaitInterval;
  MQLONG Signals[2];
  MQCHAR ResolvedQName[48];
  MQLONG MatchOptions;
  MQCHAR GroupToReserved1[4];
  MQBYTE MsgToken[16];
  MQLONG ReturnedLength;
  MQLONG Reserved2;
  MQHMSG MsgHandle;
} MQGMO;

typedef struct {
  MQCHAR StrucId[4];
  MQLONG Version;
  MQLONG AuthenticationType;
  MQBYTE Reserved1[4];
  PMQVOID CSPUserIdPtr;
  MQLONG CSPUserIdOffset;
  MQLONG CSPUserIdLength;
  MQBYTE Reserved2[8];
  PMQVOID CSPPasswordPtr;
  MQLONG CSPPasswordOffset;
  MQLONG CSPPasswordLength;
  MQBYTE Rest[48];
} MQCSP;
#define MQCSP_DEFAULT {'C', 'S', 'P', ' '}, 1

typedef struct {
  MQCHAR StrucId[4];
  MQLONG Version;
  MQBYTE KeyRepositoryToCertificateLabel[620];
} MQSCO;

typedef struct {
  MQCHAR StrucId[4];
  MQLONG Version;
  MQLONG Options;
  MQLONG ClientConnOffset;
  PMQVOID ClientConnPtr;
  MQBYTE ConnTag[128];
  MQSCO *SSLConfigPtr;
  MQLONG SSLConfigOffset;
  MQBYTE ConnectionId[24];
  MQLONG SecurityParmsOffset;
  MQCSP *SecurityParmsPtr;
  MQBYTE CCDTUrlToReserved[24];
  MQCHAR ApplName[28];
  MQBYTE Rest[20];
} MQCNO;
#define MQCNO_DEFAULT {'C', 'N', 'O', ' '}, 1

typedef struct {
  MQCHAR StrucId[4];
  MQLONG Version;
  MQLONG Options;
} MQBO, MQCMHO, MQSMPO, MQDMPO, MQDMHO;
#define MQBO_DEFAULT {'B', 'O', ' ', ' '}, 1

typedef struct {
  PMQVOID VSPtr;
  MQLONG VSOffset;
  MQLONG VSBufSize;
  MQLONG VSLength;
  MQLONG VSCCSID;
} MQCHARV;
#define MQCHARV_DEFAULT 0

typedef struct {
  MQCHAR StrucId[4];
  MQLONG Version;
  MQLONG Options;
  MQBYTE Rest[48];
} MQIMPO;
#define MQIMPO_DEFAULT {'I', 'M', 'P', 'O'}, 1

typedef struct {
  MQCHAR StrucId[4];
  MQLONG Version;
  MQLONG Options;
  MQBYTE Rest[12];
} MQPD;
#define MQPD_DEFAULT {'P', 'D', ' ', ' '}, 1

typedef struct {
  MQCHAR StrucId[4];
  MQBYTE Rest[340];
} MQSD;

typedef struct {
  MQCHAR StrucId[4];
  MQBYTE Rest[12];
} MQSRO;

#define MQI_CALL(name, ...) void name(__VA_ARGS__, PMQLONG completion, PMQLONG reason)

MQI_CALL(MQCONN, PMQCHAR name, PMQHCONN hconn);
MQI_CALL(MQCONNX, PMQCHAR name, MQCNO *cno, PMQHCONN hconn);
MQI_CALL(MQDISC, PMQHCONN hconn);
MQI_CALL(MQOPEN, MQHCONN hconn, MQOD *od, MQLONG options, PMQHOBJ hobj);
MQI_CALL(MQCLOSE, MQHCONN hconn, PMQHOBJ hobj, MQLONG options);
MQI_CALL(MQPUT, MQHCONN hconn, MQHOBJ hobj, MQMD *md, MQPMO *pmo, MQLONG size, PMQVOID message);
MQI_CALL(MQPUT1, MQHCONN hconn, MQOD *od, MQMD *md, MQPMO *pmo, MQLONG size, PMQVOID message);
MQI_CALL(MQGET, MQHCONN hconn, MQHOBJ hobj, MQMD *md, MQGMO *gmo, MQLONG room, PMQVOID message,
         PMQLONG length);
MQI_CALL(MQINQ, MQHCONN hconn, MQHOBJ hobj, MQLONG selectors_count, PMQLONG selectors,
         MQLONG ints_count, PMQLONG ints, MQLONG chars_size, PMQCHAR chars);
MQI_CALL(MQSET, MQHCONN hconn, MQHOBJ hobj, MQLONG selectors_count, PMQLONG selectors,
         MQLONG ints_count, PMQLONG ints, MQLONG chars_size, PMQCHAR chars);
MQI_CALL(MQCMIT, MQHCONN hconn);
MQI_CALL(MQBACK, MQHCONN hconn);
MQI_CALL(MQBEGIN, MQHCONN hconn, MQBO *options);
MQI_CALL(MQSUB, MQHCONN hconn, MQSD *sd, PMQHOBJ hobj, PMQHOBJ hsub);
MQI_CALL(MQSUBRQ, MQHCONN hconn, MQHOBJ hsub, MQLONG action, MQSRO *sro);
MQI_CALL(MQSTAT, MQHCONN hconn, MQLONG type, PMQVOID sts);
MQI_CALL(MQCB, MQHCONN hconn, MQLONG operation, PMQVOID cbd, MQHOBJ hobj, PMQVOID md, PMQVOID gmo);
MQI_CALL(MQCTL, MQHCONN hconn, MQLONG operation, PMQVOID options);
MQI_CALL(MQCRTMH, MQHCONN hconn, MQCMHO *options, MQHMSG *handle);
MQI_CALL(MQDLTMH, MQHCONN hconn, MQHMSG *handle, MQDMHO *options);
MQI_CALL(MQSETMP, MQHCONN hconn, MQHMSG handle, MQSMPO *options, MQCHARV *name, MQPD *pd,
         MQLONG type, MQLONG size, PMQVOID value);
MQI_CALL(MQINQMP, MQHCONN hconn, MQHMSG handle, MQIMPO *options, MQCHARV *name, MQPD *pd,
         PMQLONG type, MQLONG room, PMQVOID value, PMQLONG size);
MQI_CALL(MQDLTMP, MQHCONN hconn, MQHMSG handle, MQDMPO *options, MQCHARV *name);

#endif
