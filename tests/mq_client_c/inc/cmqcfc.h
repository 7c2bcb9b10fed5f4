/* What pymqi names of the command formats. For tests only: no command is understood. */

#ifndef STAND_IN_CMQCFC_H
#define STAND_IN_CMQCFC_H

#define MQRCCF_COMMAND_FAILED 3008
#define MQIACF_Q_ATTRS 1002
#define MQIASY_COMP_CODE (-7)
#define MQIASY_REASON (-8)

#endif
