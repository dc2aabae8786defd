// isochio: Availability.h, which .iig files include by habit. Nothing is ever unavailable here.
#pragma once
