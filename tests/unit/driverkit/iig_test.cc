// isochio: isochio-iig, construct by construct.
#include <doctest/doctest.h>

#include "iig_file.h"

using namespace isochio::iig;

namespace {

ClassFile parsed(const std::string& body, const std::string& head = "class C : public IOService") {
  auto file = parse("C.iig", "#include <DriverKit/IOService.iig>\n" + head + " {\n" + body + "\n};\nint after;\n");
  REQUIRE_MESSAGE(file.has_value(), (file ? "" : file.error().to_string()));
  return *file;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_SUITE("driverkit") {
  TEST_CASE("text around the class passes through, and .iig includes become .h") {
    const ClassFile file = parsed("public:");
    CHECK(contains(file.before, "#include <DriverKit/IOService.h>"));
    CHECK(contains(file.after, "int after;"));
    CHECK(file.name == "C");
    CHECK(file.base == "IOService");
  }

  TEST_CASE("a TYPE method becomes an implementation and a function that creates its action") {
    const ClassFile file = parsed(
        "protected:\n virtual void Done(OSAction * action TARGET, // non-ASCII: \xc3\xa4; {\n"
        "   IOReturn status)\n TYPE(IOUSBHostPipe::CompleteAsyncIsochIO) QUEUENAME(work);");
    REQUIRE(file.members.size() == 1);
    const Member& member = file.members[0];
    CHECK(member.kind == Kind::completion);
    CHECK(member.type == "IOUSBHostPipe::CompleteAsyncIsochIO");
    CHECK(member.queue == "work");
    CHECK(member.arguments == "OSAction * action, IOReturn status");
    const std::string header = write_header(file), implementation = write_implementation(file, "C.h");
    CHECK(contains(header, "#define C_Done_Args OSAction * action, IOReturn status\n"));
    CHECK(contains(header, "void Done_Impl(C_Done_Args);"));
    CHECK(contains(header, "kern_return_t CreateActionDone(size_t referenceSize, OSAction ** action);"));
    CHECK(contains(implementation, "OSActionMake<IOUSBHostPipe::CompleteAsyncIsochIO_Type, &C::Done_Impl>"));
    CHECK(contains(implementation, "std::strcmp(name, \"work\")"));
  }

  TEST_CASE("overrides keep the driver's parameter names, also for NewUserClient") {
    const ClassFile file =
        parsed("virtual kern_return_t NewUserClient(uint32_t in_type, IOUserClient ** out_client) override;");
    CHECK(file.members[0].kind == Kind::override_);
    CHECK(file.members[0].argument_names == std::vector<std::string>{"in_type", "out_client"});
    CHECK(contains(write_header(file), "#define C_NewUserClient_Args uint32_t in_type, IOUserClient ** out_client"));
    CHECK(
        contains(write_implementation(file, "C.h"), "return super::NewUserClient(in_type, out_client, supermethod);"));
  }

  TEST_CASE("init, free, LOCALONLY methods, inline bodies, nested types and preprocessor lines stay as they are") {
    const ClassFile file = parsed(
        "public:\n virtual bool init(void) override;\n virtual void free() override;\n"
        " uint32_t rate(uint32_t x) LOCALONLY;\n static void helper(C * c) LOCALONLY;\n"
        " virtual kern_return_t StartDevice(uint32_t id) override LOCALONLY;\n"
        "#if DEBUG\n void dump() LOCALONLY;\n#endif\n struct Point { int x; int y; };\n"
        " int twice(int x) LOCALONLY { return 2 * x; }\n");
    for (const Member& member : file.members) CHECK(member.kind == Kind::plain);
    const std::string header = write_header(file);
    CHECK(contains(header, "virtual bool init(void) override;"));
    CHECK(contains(header, "static void helper(C * c) ;"));
    CHECK(contains(header, "\n#if DEBUG\n"));
    CHECK(contains(header, "struct Point { int x; int y; };"));
    CHECK(contains(header, "{ return 2 * x; }"));
    CHECK(!contains(header.substr(header.rfind("class C : public IOService {")), "LOCALONLY"));
  }

  TEST_CASE("a class that is LOCALONLY has plain methods only") {
    const ClassFile file = parsed("virtual kern_return_t Start(IOService * provider) override;",
                                  "class LOCALONLY C : public IOUserAudioDevice");
    CHECK(file.local_only);
    CHECK(file.members[0].kind == Kind::plain);
  }

  TEST_CASE("a pure virtual method with a TARGET defines a completion type of the driver's own") {
    const ClassFile file = parsed("virtual void Finished(OSAction * action TARGET, uint64_t value) = 0;");
    CHECK(file.members[0].kind == Kind::definition);
    CHECK(contains(write_header(file), "using Finished_Type = OSActionType<0x"));
    CHECK(contains(write_header(file), "void(OSAction * action, uint64_t value)>;"));
  }

  TEST_CASE("other methods can be called with SUPERDISPATCH, and unnamed parameters get a name") {
    const ClassFile file = parsed("virtual kern_return_t Set(uint32_t, const char * name);");
    CHECK(file.members[0].kind == Kind::method);
    CHECK(file.members[0].arguments == "uint32_t argument0, const char * name");
    CHECK(
        contains(write_header(file),
                 "kern_return_t Set(uint32_t argument0, const char * name, OSDispatchMethod supermethod = nullptr);"));
  }

  TEST_CASE("a forward declaration or a class in a comment is not the class") {
    const auto file = parse("C.iig", "class D;\n/* class X : public Y { */\nclass C : public IOService { };\n");
    REQUIRE(file.has_value());
    CHECK(file->name == "C");
  }

  TEST_CASE("errors name file and line and what to do") {
    CHECK(parse("a.iig", "class C;\n").error().to_string() ==
          "a.iig:1: no class with a body; write `class Name: public IOService { … };`");
    CHECK(parse("a.iig", "\nclass C : public B {\n").error().to_string() == "a.iig:2: the class's `{` is never closed");
    CHECK(parse("a.iig", "class C : public B {};\nclass D : public B {};").error().message ==
          "a second class; write one class a file");
    const auto pure = parse("a.iig", "class C : public B {\n\n virtual void f() = 0;\n};");
    CHECK(pure.error().line == 3);
    const auto both = parse("a.iig", "class C : public B {\nvoid f(OSAction * a) TYPE(P::Q) LOCALONLY;\n};");
    CHECK(both.error().line == 2);
  }
}
