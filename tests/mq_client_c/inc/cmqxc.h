/* The channel descriptor. For tests only. */

#ifndef STAND_IN_CMQXC_H
#define STAND_IN_CMQXC_H

#include "cmqc.h"

typedef struct {
  MQCHAR ChannelName[20];
  MQLONG Version;
  MQBYTE ToMCAType[1000];
  MQCHAR ConnectionName[264];
  MQBYTE ToRemoteSecurityId[400];
  MQCHAR SSLCipherSpec[32];
  MQBYTE Rest[280];
} MQCD, *PMQCD;
#define MQCD_CURRENT_LENGTH 2000

#endif
