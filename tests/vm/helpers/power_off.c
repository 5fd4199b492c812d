// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Power the guest off at once; a host without an init system has no poweroff. */
#include <stdio.h>
#include <sys/reboot.h>
#include <unistd.h>

int main(void)
{
	sync();
	reboot(RB_POWER_OFF);
	perror("power_off");
	return 1;
}
