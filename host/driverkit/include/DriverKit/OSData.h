// isochio: OSData; see OSCollections.h.
#pragma once

#include <DriverKit/OSCollections.h>
