/* What pymqi names of the administration interface. For tests only: every call is refused. */

#ifndef STAND_IN_CMQBC_H
#define STAND_IN_CMQBC_H

#include "cmqc.h"

typedef MQLONG MQHBAG, *PMQHBAG;

#define MQHB_NONE (-2)
#define MQHB_UNUSABLE_HBAG (-1)
#define MQHA_BAG_HANDLE 4001
#define MQCBO_ADMIN_BAG 1
#define MQBL_NULL_TERMINATED (-1)
#define MQIND_NONE (-1)
#define MQSEL_ANY_USER_SELECTOR (-30002)
#define MQSEL_ALL_USER_SELECTORS (-30002)
#define MQIT_INTEGER 1
#define MQIT_STRING 2
#define MQITEM_BYTE_STRING 8
#define MQRC_STRING_TRUNCATED 2311

MQI_CALL(mqCreateBag, MQLONG options, PMQHBAG bag);
MQI_CALL(mqDeleteBag, PMQHBAG bag);
MQI_CALL(mqAddInquiry, MQHBAG bag, MQLONG selector);
MQI_CALL(mqAddInteger, MQHBAG bag, MQLONG selector, MQLONG value);
MQI_CALL(mqAddString, MQHBAG bag, MQLONG selector, MQLONG size, PMQCHAR value);
MQI_CALL(mqAddByteString, MQHBAG bag, MQLONG selector, MQLONG size, PMQBYTE value);
MQI_CALL(mqAddIntegerFilter, MQHBAG bag, MQLONG selector, MQLONG value, MQLONG operation);
MQI_CALL(mqAddStringFilter, MQHBAG bag, MQLONG selector, MQLONG size, PMQCHAR value,
         MQLONG operation);
MQI_CALL(mqExecute, MQHCONN hconn, MQLONG command, MQHBAG options, MQHBAG request, MQHBAG response,
         MQHOBJ to, MQHOBJ from);
MQI_CALL(mqCountItems, MQHBAG bag, MQLONG selector, PMQLONG count);
MQI_CALL(mqInquireBag, MQHBAG bag, MQLONG selector, MQLONG index, PMQHBAG value);
MQI_CALL(mqInquireInteger, MQHBAG bag, MQLONG selector, MQLONG index, PMQLONG value);
MQI_CALL(mqInquireString, MQHBAG bag, MQLONG selector, MQLONG index, MQLONG room, PMQCHAR value,
         PMQLONG size, PMQLONG ccsid);
MQI_CALL(mqInquireByteString, MQHBAG bag, MQLONG selector, MQLONG index, MQLONG room, PMQBYTE value,
         PMQLONG size);
MQI_CALL(mqInquireItemInfo, MQHBAG bag, MQLONG selector, MQLONG index, PMQLONG out, PMQLONG type);

#endif
