// isochio: descriptors and constants of USB under Apple's names [USB 2.0 9.3, 9.4, 9.6; USB 3.2 9.6.7, 9.6.8]. All
// structures are packed; values are little endian, as on the wire and on every machine we run on.
#pragma once

#include <cstdint>

#include <DriverKit/IOReturn.h>
#include <DriverKit/IOTypes.h>

struct IOUSBDescriptorHeader {
  std::uint8_t bLength;
  std::uint8_t bDescriptorType;
} __attribute__((packed));
using IOUSBDescriptor = IOUSBDescriptorHeader;

struct IOUSBDeviceDescriptor {
  std::uint8_t bLength;
  std::uint8_t bDescriptorType;
  std::uint16_t bcdUSB;
  std::uint8_t bDeviceClass;
  std::uint8_t bDeviceSubClass;
  std::uint8_t bDeviceProtocol;
  std::uint8_t bMaxPacketSize0;
  std::uint16_t idVendor;
  std::uint16_t idProduct;
  std::uint16_t bcdDevice;
  std::uint8_t iManufacturer;
  std::uint8_t iProduct;
  std::uint8_t iSerialNumber;
  std::uint8_t bNumConfigurations;
} __attribute__((packed));

struct IOUSBConfigurationDescriptor {
  std::uint8_t bLength;
  std::uint8_t bDescriptorType;
  std::uint16_t wTotalLength;
  std::uint8_t bNumInterfaces;
  std::uint8_t bConfigurationValue;
  std::uint8_t iConfiguration;
  std::uint8_t bmAttributes;
  std::uint8_t bMaxPower;
} __attribute__((packed));

struct IOUSBInterfaceDescriptor {
  std::uint8_t bLength;
  std::uint8_t bDescriptorType;
  std::uint8_t bInterfaceNumber;
  std::uint8_t bAlternateSetting;
  std::uint8_t bNumEndpoints;
  std::uint8_t bInterfaceClass;
  std::uint8_t bInterfaceSubClass;
  std::uint8_t bInterfaceProtocol;
  std::uint8_t iInterface;
} __attribute__((packed));

struct IOUSBEndpointDescriptor {
  std::uint8_t bLength;
  std::uint8_t bDescriptorType;
  std::uint8_t bEndpointAddress;
  std::uint8_t bmAttributes;
  std::uint16_t wMaxPacketSize;
  std::uint8_t bInterval;
} __attribute__((packed));

struct IOUSBStringDescriptor {
  std::uint8_t bLength;
  std::uint8_t bDescriptorType;
  std::uint8_t bString[1];  ///< UTF-16LE, bLength - 2 bytes
} __attribute__((packed));

struct IOUSBBOSDescriptor {
  std::uint8_t bLength;
  std::uint8_t bDescriptorType;
  std::uint16_t wTotalLength;
  std::uint8_t bNumDeviceCaps;
} __attribute__((packed));

struct IOUSBSuperSpeedEndpointCompanionDescriptor {
  std::uint8_t bLength;
  std::uint8_t bDescriptorType;
  std::uint8_t bMaxBurst;
  std::uint8_t bmAttributes;
  std::uint16_t wBytesPerInterval;
} __attribute__((packed));

struct IOUSBSuperSpeedPlusIsochronousEndpointCompanionDescriptor {
  std::uint8_t bLength;
  std::uint8_t bDescriptorType;
  std::uint16_t wReserved;
  std::uint32_t dwBytesPerInterval;
} __attribute__((packed));

struct IOUSBStandardEndpointDescriptors {
  std::uint16_t bcdUSB;
  IOUSBEndpointDescriptor descriptor;
  IOUSBSuperSpeedEndpointCompanionDescriptor ssCompanionDescriptor;
  IOUSBSuperSpeedPlusIsochronousEndpointCompanionDescriptor sspCompanionDescriptor;
} __attribute__((packed));

static_assert(sizeof(IOUSBDeviceDescriptor) == 18 && sizeof(IOUSBConfigurationDescriptor) == 9);
static_assert(sizeof(IOUSBInterfaceDescriptor) == 9 && sizeof(IOUSBEndpointDescriptor) == 7);
static_assert(sizeof(IOUSBSuperSpeedEndpointCompanionDescriptor) == 6);
static_assert(sizeof(IOUSBSuperSpeedPlusIsochronousEndpointCompanionDescriptor) == 8);

enum tIOUSBDescriptorType : std::uint8_t {
  kIOUSBDescriptorTypeDevice = 1,
  kIOUSBDescriptorTypeConfiguration = 2,
  kIOUSBDescriptorTypeString = 3,
  kIOUSBDescriptorTypeInterface = 4,
  kIOUSBDescriptorTypeEndpoint = 5,
  kIOUSBDescriptorTypeDeviceQualifier = 6,
  kIOUSBDescriptorTypeOtherSpeedConfiguration = 7,
  kIOUSBDescriptorTypeInterfacePower = 8,
  kIOUSBDescriptorTypeOTG = 9,
  kIOUSBDescriptorTypeDebug = 10,
  kIOUSBDescriptorTypeInterfaceAssociation = 11,
  kIOUSBDescriptorTypeBOS = 15,
  kIOUSBDescriptorTypeDeviceCapability = 16,
  kIOUSBDescriptorTypeSuperSpeedUSBEndpointCompanion = 48,
  kIOUSBDescriptorTypeSuperSpeedPlusIsochronousEndpointCompanion = 49,
};

enum tIOUSBLanguageID : std::uint16_t { kIOUSBLanguageIDEnglishUS = 0x0409 };

enum tIOUSBEndpointType : std::uint8_t {
  kIOUSBEndpointTypeControl = 0,
  kIOUSBEndpointTypeIsochronous = 1,
  kIOUSBEndpointTypeBulk = 2,
  kIOUSBEndpointTypeInterrupt = 3,
};
enum tIOUSBEndpointDirection : std::uint8_t {
  kIOUSBEndpointDirectionOut = 0,
  kIOUSBEndpointDirectionIn = 1,
  kIOUSBEndpointDirectionUnknown = 2,
};

enum tIOUSBDeviceRequestDirectionValue : std::uint8_t {
  kIOUSBDeviceRequestDirectionValueOut = 0,
  kIOUSBDeviceRequestDirectionValueIn = 1,
};
enum tIOUSBDeviceRequestTypeValue : std::uint8_t {
  kIOUSBDeviceRequestTypeValueStandard = 0,
  kIOUSBDeviceRequestTypeValueClass = 1,
  kIOUSBDeviceRequestTypeValueVendor = 2,
};
enum tIOUSBDeviceRequestRecipientValue : std::uint8_t {
  kIOUSBDeviceRequestRecipientValueDevice = 0,
  kIOUSBDeviceRequestRecipientValueInterface = 1,
  kIOUSBDeviceRequestRecipientValueEndpoint = 2,
  kIOUSBDeviceRequestRecipientValueOther = 3,
};
enum tIOUSBDeviceRequestBits : std::uint8_t {  ///< parts of bmRequestType, in place
  kIOUSBDeviceRequestDirectionOut = 0x00,
  kIOUSBDeviceRequestDirectionIn = 0x80,
  kIOUSBDeviceRequestTypeStandard = 0x00,
  kIOUSBDeviceRequestTypeClass = 0x20,
  kIOUSBDeviceRequestTypeVendor = 0x40,
  kIOUSBDeviceRequestRecipientDevice = 0x00,
  kIOUSBDeviceRequestRecipientInterface = 0x01,
  kIOUSBDeviceRequestRecipientEndpoint = 0x02,
  kIOUSBDeviceRequestRecipientOther = 0x03,
};
enum tIOUSBDeviceRequest : std::uint8_t {
  kIOUSBDeviceRequestGetStatus = 0,
  kIOUSBDeviceRequestClearFeature = 1,
  kIOUSBDeviceRequestSetFeature = 3,
  kIOUSBDeviceRequestSetAddress = 5,
  kIOUSBDeviceRequestGetDescriptor = 6,
  kIOUSBDeviceRequestSetDescriptor = 7,
  kIOUSBDeviceRequestGetConfiguration = 8,
  kIOUSBDeviceRequestSetConfiguration = 9,
  kIOUSBDeviceRequestGetInterface = 10,
  kIOUSBDeviceRequestSetInterface = 11,
  kIOUSBDeviceRequestSynchFrame = 12,
};

constexpr std::uint16_t USBToHost16(std::uint16_t value) { return value; }
constexpr std::uint32_t USBToHost32(std::uint32_t value) { return value; }
constexpr std::uint64_t USBToHost64(std::uint64_t value) { return value; }
constexpr std::uint16_t HostToUSB16(std::uint16_t value) { return value; }
constexpr std::uint32_t HostToUSB32(std::uint32_t value) { return value; }
constexpr std::uint64_t HostToUSB64(std::uint64_t value) { return value; }
