// isochio: OSDictionary; see OSCollections.h.
#pragma once

#include <DriverKit/OSCollections.h>
