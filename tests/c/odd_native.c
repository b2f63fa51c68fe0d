/*
 * A JNI library that registers a native of the class and name in ODD_CLASS and ODD_NAME with a signature
 * that no JDK gives it: int to int.
 */
#include <jni.h>
#include <stdlib.h>

static jint JNICALL add_one(JNIEnv *env, jclass class, jint value) {
    (void)env;
    (void)class;
    return value + 1;
}

JNIEXPORT jint JNICALL JNI_OnLoad(JavaVM *vm, void *reserved) {
    JNIEnv *env;
    (void)reserved;
    if ((*vm)->GetEnv(vm, (void **)&env, JNI_VERSION_1_8) != JNI_OK)
        return JNI_ERR;
    jclass class = (*env)->FindClass(env, getenv("ODD_CLASS"));
    if (class == NULL)
        return JNI_ERR;
    JNINativeMethod method = {getenv("ODD_NAME"), "(I)I", (void *)add_one};
    return (*env)->RegisterNatives(env, class, &method, 1) == 0 ? JNI_VERSION_1_8 : JNI_ERR;
}
