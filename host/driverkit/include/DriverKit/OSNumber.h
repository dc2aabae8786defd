// isochio: OSNumber; see OSCollections.h.
#pragma once

#include <DriverKit/OSCollections.h>
